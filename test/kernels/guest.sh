#!/bin/busybox sh
# PID 1 of the virtual machine: sets the system up, takes every victim of /rows through its mode, and prints one line "ROW mode title: word" for
# each. Victims that are saved for another machine leave through the second serial line; those of other machines are in /crossed.
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
chmod 755 /
echo 4194304 >/proc/sys/kernel/pid_max
for module in /modules/*.ko; do
  [ -e $module ] && insmod $module
done
ifconfig lo up
# Programs that stand elsewhere on the machine that made this one: perhaps where nothing was mounted yet.
cd /abroad && find . -type f | while read -r file; do
  mkdir -p "/$(dirname $file)"
  cp -p $file /$file
done
cd /
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
# Both look for a word of the victim, which is then in $said, without a process of their own: those are dear here.
ready() {
  while read -r said; do
    case $said in READY | OK* | FAIL* | SKIP*) return 0 ;; esac
  done <$d/out
  return 1
}
answered() {
  while read -r said; do
    case $said in OK* | FAIL* | SKIP*) return 0 ;; esac
  done <$d/out
  return 1
}
tell() { echo "ROW $mode $title: $*"; }
words() { head -c 700 $d/log | tr '\n' ' '; }

dumped() {
  stasis dump --timeout 60 -t $pid -D $d/images --no-sync "$@" >$d/log 2>&1
  status=$?
  [ $status = 0 ] && return 0
  # What ends by itself may be done before its dump on a machine as slow as this.
  if [ "$unasked" != - ] && answered; then
    case $said in OK*) tell SKIP it was done before the dump ;; *) tell "$said" ;; esac
    return 1
  fi
  tell "FAIL dump ended with $status: $(words)"
  return 1
}
revived() {
  # Reaped by us: until then its PID is taken.
  wait $pid 2>/dev/null
  stasis restore --timeout 60 -d -D $d/images "$@" >$d/log 2>&1
  status=$?
  [ $status = 0 ] && return 0
  tell "FAIL restore ended with $status: $(words)"
  return 1
}
# Neither there nor a zombie, or in nobody's hands.
lives() { [ -d /proc/$pid ] && ! grep -q 'State:.Z' /proc/$pid/status 2>/dev/null; }
settled() { ! lives || grep -q 'TracerPid:.0' /proc/$pid/status 2>/dev/null; }
# Kills a run of the tool after a moment by chance.
killed() {
  "$@" >$d/log 2>&1 &
  tool=$!
  usleep $((RANDOM * 45))
  kill -9 $tool 2>/dev/null
  wait $tool 2>/dev/null
  deadline 20 settled || { tell FAIL it is still held; return 1; }
}

started() {
  rm -rf $d
  mkdir -p $d/work $d/images
  cd $d/work
  [ "$env" = - ] && env=
  [ "$args" = - ] && args=
  # Ours is the first to look at it.
  : >$d/out
  # Longer than a victim lives elsewhere: it ends with the machine, and a hundred rounds take half an hour on a busy one.
  env VICTIM_SECONDS=6000 $env /victims/$prog $d/work/$ask $(echo "$args" | sed "s#{folder}#$d/work#g") >$d/out 2>&1 </dev/null &
  pid=$!
  deadline 60 ready || { tell FAIL it is not ready after 60 s; return 1; }
  case $said in FAIL* | SKIP*) tell "$said"; return 1 ;; esac
  return 0
}
# What was saved on another machine, where it stood there.
unpacked() {
  box=/crossed/$from/$id.tgz
  [ -e $box ] || { tell SKIP it was not saved there; return 1; }
  d=$(cat /crossed/$from/$id.where)
  rm -rf $d
  mkdir -p $d
  tar xzf $box -C $d
  # What this test saved outside of a machine.
  [ -e $d/out ] || ln -s output $d/out
  cd $d/work
  pid=$(cat /crossed/$from/$id.pid)
}

one() {
  d=/tmp/victim
  case $mode in
  from-* | lesser-*)
    from=${mode#*-}
    unpacked || return
    ;;
  *) started || return ;;
  esac
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
  killed)
    # The tool is killed: in dumps the program goes on, in restores it is whole or not there.
    for round in $(seq ${rounds:-20}); do
      killed stasis dump --timeout 60 -t $pid -D $d/images --no-sync -R || return
      lives || { tell FAIL it ended with a killed dump; return; }
      rm -rf $d/images
      mkdir $d/images
    done
    dumped || return
    wait $pid 2>/dev/null
    for round in $(seq ${rounds:-20}); do
      lives && break
      killed stasis restore --timeout 60 -d -D $d/images || return
    done
    lives || revived || return
    ;;
  save)
    # High numbers: those that the other machine has not used yet.
    dumped || return
    mkdir -p /tmp/parcel
    echo $pid >/tmp/parcel/$id.pid
    echo $d >/tmp/parcel/$id.where
    tar czf /tmp/parcel/$id.tgz -C $d . || { tell FAIL it cannot be packed; return; }
    revived --verify || return
    ;;
  from-*)
    wait $pid 2>/dev/null
    stasis restore --timeout 60 -d --verify -D $d/images >$d/log 2>&1
    status=$?
    # Its dump has said so: who is hardly ever outside may be met inside.
    grep -q "inside the dump's vdso" $d/log && { tell "SKIP it was met inside the vdso"; return; }
    # The emulated CPU has less than most.
    [ $from = host ] && grep -q "Cannot restore the FPU" $d/log && { tell "SKIP this CPU lacks what is in use"; return; }
    [ $status = 0 ] || { tell "FAIL restore ended with $status: $(words)"; return; }
    ;;
  lesser-*)
    # A registration that this kernel does not take as it was: told, and refused where nothing lesser will do.
    # The emulated CPU is a lesser one too, which --strict alone would refuse first.
    stasis restore --timeout 60 -d --strict --cpu-cap=none -D $d/images >$d/log 2>&1 && { tell FAIL --strict restored it; return; }
    grep -q -- "--strict forbids 32 bytes instead of 64" $d/log || { tell "FAIL --strict: $(words)"; return; }
    revived || return
    grep -q "registered with 32 bytes instead of 64" $d/log || { tell "FAIL no warning: $(words)"; return; }
    stasis rseq $pid --json >$d/log 2>&1
    # Only where the kernel tells: the program has no name for it.
    ! grep -q '"registered":"ptrace"' $d/log || grep -q '"size":32' $d/log || { tell "FAIL $(words)"; return; }
    ! grep -q '"size":64' $d/log || { tell "FAIL $(words)"; return; }
    tell OK
    return
    ;;
  esac
  [ "$unasked" = - ] && : >$d/work/$ask
  deadline 60 answered || { tell FAIL no answer within 60 s; return; }
  tell "$said"
}

echo "RELEASE $(uname -r)"
if [ ! -e /crossed.tar ]; then
  stasis check --all | tee /tmp/check
  echo "REGIME $(grep rseq_no_restart /tmp/check)"
fi
for word in $(cat /proc/cmdline); do
  case $word in
  rounds=*) rounds=${word#rounds=} ;;
  pids=*) echo ${word#pids=} >/proc/sys/kernel/ns_last_pid ;;
  esac
done
if [ -e /crossed.tar ]; then
  mkdir /crossed
  tar xf /crossed.tar -C /crossed
fi
while IFS="	" read -r mode id title prog ask unasked env args; do
  one 3</dev/null
  cd /
  kill -9 -1
  wait 2>/dev/null
done </rows
echo DONE
if [ -d /tmp/parcel ]; then
  stty raw -F /dev/ttyS1
  tar cf /tmp/parcel.tar -C /tmp/parcel .
  cat /tmp/parcel.tar >/dev/ttyS1
fi
poweroff -f
