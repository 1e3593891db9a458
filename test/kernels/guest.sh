#!/bin/busybox sh
# PID 1 of the virtual machine: sets the system up, takes every victim of /rows through each mode that the kernel's command line names, and
# prints one line "ROW mode title: word" for each.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts pts /dev/pts
# For rows of huge pages; a kernel without them has no such file.
echo 12 2>/dev/null >/proc/sys/vm/nr_hugepages
d=/tmp/victim

# Waits up to SECONDS for a condition.
deadline() {
  n=0
  while ! eval "$2"; do
    usleep 20000
    n=$((n + 1))
    [ $n -gt $(($1 * 50)) ] && return 1
  done
  return 0
}
said() { grep -qE "^($1)" $d/out; }
last() { grep -E '^(OK|FAIL|SKIP)' $d/out | head -n 1; }
tell() { echo "ROW $mode $title: $*"; }
words() { head -c 700 $d/log | tr '\n' ' '; }

dumped() {
  stasis dump -t $pid -D $d/images --no-sync "$@" >$d/log 2>&1 && return 0
  # What ends by itself may be done before its dump on a machine as slow as this.
  [ "$unasked" = - ] || ! said OK || { tell SKIP it was done before the dump; return 1; }
  tell "FAIL dump ended with $?: $(words)"
  return 1
}
revived() {
  # Reaped by us: until then its PID is taken.
  wait $pid 2>/dev/null
  stasis restore -d -D $d/images "$@" >$d/log 2>&1 && return 0
  tell "FAIL restore ended with $?: $(words)"
  return 1
}

one() {
  rm -rf $d
  mkdir -p $d/work $d/images
  cd $d/work
  [ "$env" = - ] && env=
  [ "$args" = - ] && args=
  env $env /victims/$prog $d/work/$ask $(echo "$args" | sed "s#{folder}#$d/work#g") >$d/out 2>&1 </dev/null &
  pid=$!
  deadline 60 'said "READY|FAIL|SKIP"' || { tell FAIL it is not ready after 60 s; return; }
  said "FAIL|SKIP" && { tell "$(last)"; return; }
  case $mode in
  kill)
    dumped && revived --verify || return
    ;;
  leave)
    dumped -R || return
    ;;
  again)
    for round in $(seq ${rounds:-20}); do dumped -R || return; done
    for round in $(seq ${rounds:-20}); do dumped && revived || return; done
    ;;
  esac
  [ "$unasked" = - ] && : >$d/work/$ask
  deadline 60 '[ -n "$(last)" ]' || { tell FAIL no answer within 60 s; return; }
  tell "$(last)"
}

echo "RELEASE $(uname -r)"
stasis check --all
echo "REGIME $(stasis check --all | grep rseq_no_restart)"
for word in $(cat /proc/cmdline); do
  case $word in rounds=*) rounds=${word#rounds=} ;; esac
done
while IFS="	" read -r mode title prog ask unasked env args; do
  one 3</dev/null
  kill -9 -1
  wait 2>/dev/null
done </rows
echo DONE
poweroff -f
