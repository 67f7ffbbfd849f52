//! Compiles in a process of its own. A component is an outsider's, and compiling one is where it could take all memory, time, or the process
//! with it: a child that dies or does not end fails what it was compiling, and nothing else.

mod walls;

use crate::{Compiled, Job, LoadError, entry, wire};
use bytes::{Buf, Bytes};
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use std::{
    io::{self, Read, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, Once, PoisonError, mpsc},
    thread,
    time::Duration,
};
use walls::Walls;

/// Memory that a child may write to, in bytes: several times what the largest Rust worker needs, and enough for an interpreter.
const MEMORY: u64 = 2 << 30;
/// CPU time of a child, over all its threads: a minute of two cores, four times what an interpreter of 18 MB takes.
const CPU: Duration = Duration::from_secs(120);
/// Wall time of a child: what bounds its work is CPU time, and a machine that is busy serving gives it a tenth of a core.
const WALL: Duration = Duration::from_secs(900);
/// Waiting for a place among the children: two of the longest compilations. Whoever waited in vain may try again.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// The most that a child may answer, in bytes: ten times the code of the largest pack's component would not fit, and neither would a loop.
const MAX_ANSWER: u64 = 1 << 30;
/// Lower than the serving threads' priority.
const NICE: i32 = 10;
/// Open files of a child: its pipes, and what its threads need.
const FILES: u64 = 64;

/// Where components are compiled. Cheap to clone: the clones share the places.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In this process: for tests, benches, and a process that is the child itself.
    Here,
    /// In children.
    Children(Arc<Children>),
}

/// Processes that compile.
#[derive(Debug)]
pub struct Children {
    program: PathBuf,
    limits: ChildLimits,
    free: Mutex<usize>,
    freed: Condvar,
    /// Whether the log knows that the children's walls are not whole.
    told: Once,
}

/// What one child may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// Bytes of memory that it may write to.
    pub memory: u64,
    /// CPU time, over all its threads; whole seconds.
    pub cpu: Duration,
    /// Time until it is killed.
    pub wall: Duration,
    /// Children at once.
    pub at_once: usize,
    /// How long one waits for a place among them.
    pub patience: Duration,
}

impl Default for ChildLimits {
    /// Half of the cores compile at most: the others serve.
    fn default() -> Self {
        Self {
            memory: MEMORY,
            cpu: CPU,
            wall: WALL,
            at_once: (thread::available_parallelism().map_or(1, usize::from) / 2).max(1),
            patience: PATIENCE,
        }
    }
}

impl Compiler {
    /// Children that run `program compile`, which calls [`serve_child`].
    pub fn children(program: PathBuf, limits: ChildLimits) -> Self {
        Self::Children(Arc::new(Children {
            program,
            limits,
            free: Mutex::new(limits.at_once.max(1)),
            freed: Condvar::new(),
            told: Once::new(),
        }))
    }

    /// Children of the program that runs now, the very file that it was started from.
    pub fn this_program() -> Self {
        Self::children(PathBuf::from("/proc/self/exe"), ChildLimits::default())
    }

    /// Compiles. Waits for a free place; call it from a blocking thread.
    ///
    /// # Errors
    /// When the component cannot be compiled, or not within the limits, or is for another engine.
    pub fn run(&self, job: &Job) -> Result<Compiled, LoadError> {
        // Else it would be told of what its engine lacks, one thing after the other.
        entry::check(&job.component, job.engine)?;
        match self {
            Self::Here => job.run(),
            Self::Children(children) => children.run(job),
        }
    }
}

/// A place among the children; given back when it is dropped.
struct Place<'a>(&'a Children);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

impl Children {
    /// `None` when no place became free in time.
    fn enter(&self) -> Option<Place<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut free, waited) = self
            .freed
            .wait_timeout_while(free, self.limits.patience, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            return None;
        }
        *free -= 1;
        Some(Place(self))
    }

    fn run(&self, job: &Job) -> Result<Compiled, LoadError> {
        let died = |what: String| LoadError::Compiler(what);
        let waited = || {
            died(format!(
                "no place among the compilers within {} s",
                self.limits.patience.as_secs_f32()
            ))
        };
        let _place = self.enter().ok_or_else(waited)?;
        let mut child = self
            .spawn()
            .map_err(|error| died(format!("the compiler does not start: {error}")))?;
        let (Some(mut into), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(died("the compiler has no pipes".to_owned()));
        };
        let question = job.write();
        let (answered, answers) = mpsc::sync_channel(1);
        // Ends when the child does: its pipes are closed then.
        let talk = thread::Builder::new().name("compiler-pipe".to_owned()).spawn(move || {
            // A child that dies early says so by its status.
            let _ = into.write_all(&question);
            drop(into);
            let mut answer = Vec::new();
            let read = from.take(MAX_ANSWER).read_to_end(&mut answer);
            let _ = answered.send(read.map(|_| answer));
        });
        if let Err(error) = talk {
            end(&mut child);
            return Err(died(format!("the compiler's pipe cannot be served: {error}")));
        }
        let answer = match answers.recv_timeout(self.limits.wall) {
            Ok(answer) => answer,
            Err(_) => {
                end(&mut child);
                return Err(died(format!("it took more than {} s", self.limits.wall.as_secs_f32())));
            }
        };
        let status = child
            .wait()
            .map_err(|error| died(format!("the compiler's end is not known: {error}")))?;
        match answer {
            Ok(answer) if status.success() => {
                let cut_off = || died("the compiler's answer is cut off".to_owned());
                let mut answer = Bytes::from(answer);
                let walls = answer.try_get_u8().ok().and_then(Walls::of);
                self.tell(walls.ok_or_else(cut_off)?);
                wire::read(&answer).map_err(|_| cut_off())?
            }
            _ => Err(died(format!("the compiler died: {}", told(status)))),
        }
    }

    fn tell(&self, walls: Walls) {
        if walls != Walls::Whole {
            self.told.call_once(|| {
                tracing::warn!(target: "compiler", ?walls, "this kernel does not wall off compilers from files and the network (Landlock, whole from Linux 6.12); they have their limits alone");
            });
        }
    }

    /// With an empty environment: it holds secrets.
    fn spawn(&self) -> io::Result<Child> {
        Command::new(&self.program)
            .arg("compile")
            .arg(self.limits.memory.to_string())
            .arg(self.limits.cpu.as_secs().to_string())
            .env_clear()
            // Else the allocator's first arena is most of the limit.
            .env("MIMALLOC_ARENA_EAGER_COMMIT", "0")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    }
}

fn end(child: &mut Child) {
    // Both fail only for a child that is gone.
    let _ = child.kill();
    let _ = child.wait();
}

/// What a signal most likely means.
fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let signal = |signal: Signal| status.signal() == Some(signal.as_raw());
    if signal(Signal::XCPU) {
        format!("{status}; it used up its CPU time")
    } else if signal(Signal::ABORT) {
        format!("{status}; most likely it used up its memory")
    } else {
        status.to_string()
    }
}

/// The child's side: takes a job from `input`, within the limits, and writes what came of it. Lowers the limits of this whole process first.
///
/// # Errors
/// When the limits cannot be set, or the pipes break.
pub fn serve_child(memory: u64, cpu: Duration, mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let between = |resource, current, maximum| {
        setrlimit(
            resource,
            Rlimit {
                current: Some(current),
                maximum: Some(maximum),
            },
        )
    };
    let limit = |resource, most| between(resource, most, most);
    // A gateway that dies takes its compilers with it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Nofile, FILES)?;
    // Past the first one comes a signal that says why, past the second one that nobody can catch.
    between(Resource::Cpu, cpu.as_secs(), cpu.as_secs() + 1)?;
    // Not the address space: a WebAssembly memory reserves 4 GiB of it and writes to a few pages.
    limit(Resource::Data, memory)?;
    nice(NICE)?;
    // Last: what it was given is open by now.
    let walls = Walls::raise();
    let mut question = Vec::new();
    input.read_to_end(&mut question)?;
    let job = Job::read(&question).map_err(|_| io::Error::other("the job is cut off"))?;
    drop(question);
    output.write_all(&[walls.letter()])?;
    output.write_all(&wire::write(&job.run()))?;
    output.flush()
}
