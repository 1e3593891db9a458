# Background jobs, a pipeline among them, and wait.
burn() {
	n=$1 i=0
	while [ $i -lt 40000 ]; do
		n=$(((n * 1103515245 + i) & 2147483647)) i=$((i + 1))
	done
	echo $n
}
cd "$1" || exit 1
echo READY
total=0
for round in 1 2 3; do
	for job in 1 2 3; do
		burn $((round * 10 + job)) > "$job" &
	done
	burn $round | sort | tail -n 1 > 4 &
	last=$!
	wait $last || echo "RESULT the pipeline ended with $?"
	wait
	for job in 1 2 3 4; do
		total=$(((total * 31 + $(cat $job)) & 2147483647))
	done
done
echo RESULT $total
