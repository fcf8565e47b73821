#!/bin/sh
# A real Slurm of one node (Debian: slurm-wlm, munge), started here in a scratch folder, and the job scripts of experiments/slurm in it: a job that is told to
# stop is queued again and continues to the same result as an undisturbed run; a job array makes one run a seed. Started by a person or by CI, as root:
#   LT_SRCDIR=. LT_BUILDDIR=. tests/slurm/run.sh
. "${LT_SRCDIR:-$(dirname "$0")/../..}/tests/cli/tap.sh"

reason=
for p in slurmctld slurmd munged sbatch squeue scontrol sinfo; do
    command -v $p > /dev/null 2>&1 || reason="$p was not found (Debian: slurm-wlm, munge)"
done
[ "$(id -u)" -eq 0 ] || reason="slurmd needs root"
if [ -n "$reason" ]; then
    skip "$reason"
    finish
fi

# Everything of this Slurm is in $tmp; ports of its own, so that another one here is not disturbed.
host=$(hostname -s)
port=$((20000 + $$ % 20000))
mkdir -p "$tmp/spool" "$tmp/state" "$tmp/munge" && chmod 755 "$tmp"
dd if=/dev/urandom of="$tmp/munge/key" bs=1024 count=1 2> /dev/null
chmod 400 "$tmp/munge/key" && chmod 700 "$tmp/munge"
cat > "$tmp/slurm.conf" << END
ClusterName=lathe-test
SlurmctldHost=$host
SlurmUser=root
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$tmp/munge/socket
CredType=cred/munge
StateSaveLocation=$tmp/state
SlurmdSpoolDir=$tmp/spool
SlurmctldPidFile=$tmp/slurmctld.pid
SlurmdPidFile=$tmp/slurmd.pid
SlurmctldLogFile=$tmp/slurmctld.log
SlurmdLogFile=$tmp/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SchedulerParameters=sched_interval=2
JobRequeue=1
MinJobAge=300
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE OverSubscribe=YES State=UP
END
SLURM_CONF=$tmp/slurm.conf
export SLURM_CONF
stop_slurm() {
    for f in slurmd slurmctld; do
        [ ! -s "$tmp/$f.pid" ] || kill "$(cat "$tmp/$f.pid")" 2> /dev/null
    done
    [ -z "$munge" ] || kill "$munge" 2> /dev/null
    sleep 1
    rm -rf "$tmp"
}
munge=
trap stop_slurm EXIT
munged --foreground --force --key-file="$tmp/munge/key" --socket="$tmp/munge/socket" --pid-file="$tmp/munge/pid" --log-file="$tmp/munge/log" --seed-file="$tmp/munge/seed" > "$tmp/munged.out" 2>&1 &
munge=$!
wait_for() { # SECONDS COMMAND...
    limit=$1
    shift
    i=0
    until "$@" > /dev/null 2>&1; do
        i=$((i + 1))
        [ $i -lt $((5 * limit)) ] || return 1
        sleep 0.2
    done
}
idle() { sinfo -h -o %T | grep -q idle; }
wait_for 10 test -S "$tmp/munge/socket" && slurmctld && slurmd && wait_for 40 idle
if [ $? -ne 0 ]; then
    skip "Slurm does not start here: $(tail -n 1 "$tmp/slurmd.log" 2> /dev/null) $(tail -n 1 "$tmp/slurmctld.log" 2> /dev/null)"
    finish
fi
ok 0 "a Slurm of one node: $(sinfo --version)"

cd "$tmp" || exit 99
LATHE=$lathe
export LATHE
cat > score.sh << 'END'
n=$(printf '%s' "$1" | cksum | cut -d' ' -f1)
sleep 0.2
echo "accuracy 0.$((n % 9000 + 1000))"
END
cat > x.yaml << END
schema: 1
space: {file: $LT_SRCDIR/spaces/tiny.yaml}
evaluator: {name: command, run: 'sh $tmp/score.sh "\$1"', timeout: 20 s}
search: {name: aging, samples: 60, population: 10}
objectives: {accuracy: maximize}
END
code 0 "an undisturbed run" "$lathe" run x.yaml -o ref
state() { squeue -h -j "$1" -o %T; }
over() { [ -z "$(squeue -h -j "$1" -t PENDING,RUNNING,COMPLETING,REQUEUED,REQUEUE_HOLD,REQUEUE_FED,CONFIGURING,SUSPENDED -o %T)" ]; }
records() { [ -s "$1/evaluations.jsonl" ] && [ "$(wc -l < "$1/evaluations.jsonl")" -ge "$2" ]; }

# one job of two ranks; Slurm's signal comes as it would before the time limit
LATHE_OUT=$tmp/job
export LATHE_OUT
id=$(sbatch --parsable --nodes=1 --ntasks-per-node=2 --time=10 --output="$tmp/job.out" "$LT_SRCDIR/experiments/slurm/run.sbatch" x.yaml)
[ -n "$id" ]
ok $? "a job is queued"
wait_for 60 records job 8
ok $? "it runs" job.out
scancel --batch --signal=USR1 "$id"
wait_for 60 grep -q "is queued again" job.out
ok $? "told to stop, it is queued again" job.out
before=$(wc -l < job/evaluations.jsonl)
[ "$before" -lt 60 ]
ok $? "with $before records so far"
wait_for 200 over "$id"
[ "$(scontrol show job "$id" | grep -o 'JobState=[A-Z]*')" = JobState=COMPLETED ] && journal ref > a && journal job > b && cmp a b
ok $? "started again by Slurm, it ends with the journal of the undisturbed run" job.out
grep -q '"rank":1' job/evaluations.jsonl && grep -q '"rank":0' job/evaluations.jsonl
ok $? "both ranks had a part in it"
[ "$(scontrol show job "$id" | grep -o 'Restarts=[0-9]*')" = Restarts=1 ]
ok $? "after one restart"

# an array: one run a seed
LATHE_OUT=$tmp/array
id=$(sbatch --parsable --array=1-2 --time=10 --output="$tmp/array-%a.out" "$LT_SRCDIR/experiments/slurm/array.sbatch" x.yaml --set search.samples=12)
wait_for 120 over "$id"
for seed in 1 2; do
    "$lathe" run x.yaml -o "seed-$seed" --set "seed=$seed" --set search.samples=12 > /dev/null 2>&1
    journal "seed-$seed" > a && journal "array/seed-$seed" > b && cmp a b
    ok $? "array task $seed: the run of that seed" "array-$seed.out"
done
finish
