//! How a job and what came of it go through a pipe or into a file: words, each with its length before it.

use crate::{Compiled, Job, LoadError, Profile, Refusal, WarmUp, WarmUpRequest};
use bytes::Bytes;

/// Bytes of a length.
const LENGTH: usize = size_of::<u64>();

/// Not what was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Words one after the other.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn next(&mut self) -> Result<&'a [u8], Malformed> {
        let (length, rest) = self.0.split_first_chunk::<LENGTH>().ok_or(Malformed)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| Malformed)?;
        let (word, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(word)
    }

    fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.next()?.to_vec()).map_err(|_| Malformed)
    }
}

fn put(out: &mut Vec<u8>, word: &[u8]) {
    out.extend_from_slice(&(word.len() as u64).to_le_bytes());
    out.extend_from_slice(word);
}

impl Job {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.component.len() + LENGTH);
        words(&self.component, self.engine, &self.warm_up, &mut |word| put(&mut out, word));
        out
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut words = Words(bytes);
        let component = Bytes::copy_from_slice(words.next()?);
        let engine = Profile::named(&words.text()?).ok_or(Malformed)?;
        let mut requests = Vec::new();
        while !words.0.is_empty() {
            let (method, path, body) = (words.text()?, words.text()?, words.text()?);
            let mut headers = Vec::new();
            loop {
                let name = words.text()?;
                if name.is_empty() {
                    break;
                }
                headers.push((name, words.text()?));
            }
            requests.push(WarmUpRequest {
                method,
                path,
                headers,
                body,
            });
        }
        Ok(Self {
            component,
            engine,
            warm_up: WarmUp(requests),
        })
    }
}

/// All of a job, as a list of words: the component, the engine, then for each request its parts and its fields.
pub(crate) fn words<'a>(component: &'a [u8], engine: Profile, warm_up: &'a WarmUp, word: &mut impl FnMut(&'a [u8])) {
    word(component);
    word(engine.name().as_bytes());
    for request in &warm_up.0 {
        word(request.method.as_bytes());
        word(request.path.as_bytes());
        word(request.body.as_bytes());
        for (name, value) in &request.headers {
            word(name.as_bytes());
            word(value.as_bytes());
        }
        // Ends the fields: no name is empty.
        word(b"");
    }
}

/// What a compilation has to say.
pub(crate) fn write(outcome: &Result<Compiled, LoadError>) -> Vec<u8> {
    let mut out = Vec::new();
    match outcome {
        Ok(compiled) => {
            put(&mut out, b"compiled");
            let (kind, detail) = compiled.snapshot.as_ref().map_or_else(parts, |()| ("", ""));
            put(&mut out, kind.as_bytes());
            put(&mut out, detail.as_bytes());
            put(&mut out, compiled.code());
        }
        Err(error) => {
            put(&mut out, b"refused");
            let reason = match error {
                LoadError::Compile(reason) => reason.clone(),
                other => other.to_string(),
            };
            put(&mut out, reason.as_bytes());
        }
    }
    out
}

/// Reads it. The code in it is trusted by whoever trusts the bytes.
pub(crate) fn read(bytes: &Bytes) -> Result<Result<Compiled, LoadError>, Malformed> {
    let mut words = Words(bytes);
    let outcome = match words.next()? {
        b"compiled" => {
            let (kind, detail) = (words.text()?, words.text()?);
            let snapshot = if kind.is_empty() { Ok(()) } else { Err(refusal(&kind, detail)?) };
            // Megabytes, which need no copy.
            Ok(Compiled::of(snapshot, bytes.slice_ref(words.next()?)))
        }
        b"refused" => Err(LoadError::Compile(words.text()?)),
        _ => return Err(Malformed),
    };
    if words.0.is_empty() { Ok(outcome) } else { Err(Malformed) }
}

fn parts(refusal: &Refusal) -> (&'static str, &str) {
    match refusal {
        Refusal::NoWarmUp => ("no_warm_up", ""),
        Refusal::Engine => ("engine", ""),
        Refusal::Randomness => ("randomness", ""),
        Refusal::HashSeed => ("hash_seed", ""),
        Refusal::Clock => ("clock", ""),
        Refusal::CallOut => ("call_out", ""),
        Refusal::Import(name) => ("import", name),
        Refusal::Handles => ("handles", ""),
        Refusal::Failed(why) => ("failed", why),
        Refusal::Busy(why) => ("busy", why),
        Refusal::Form(why) => ("form", why),
        Refusal::Memory => ("memory", ""),
    }
}

fn refusal(kind: &str, detail: String) -> Result<Refusal, Malformed> {
    Ok(match kind {
        "no_warm_up" => Refusal::NoWarmUp,
        "engine" => Refusal::Engine,
        "randomness" => Refusal::Randomness,
        "hash_seed" => Refusal::HashSeed,
        "clock" => Refusal::Clock,
        "call_out" => Refusal::CallOut,
        "import" => Refusal::Import(detail),
        "handles" => Refusal::Handles,
        "failed" => Refusal::Failed(detail),
        "busy" => Refusal::Busy(detail),
        "form" => Refusal::Form(detail),
        "memory" => Refusal::Memory,
        _ => return Err(Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let request = WarmUpRequest {
            method: "POST".into(),
            path: "/".into(),
            headers: vec![("a".into(), String::new()), ("b".into(), "c".into())],
            body: "x".into(),
        };
        Job {
            component: Bytes::from_static(b"component"),
            engine: Profile::Large,
            warm_up: WarmUp(vec![request, WarmUp::default().0.remove(0)]),
        }
    }

    #[test]
    fn a_job_reads_back() {
        for job in [
            job(),
            Job {
                warm_up: WarmUp::none(),
                ..job()
            },
        ] {
            let read = Job::read(&job.write()).map(|read| (read.component, read.engine, read.warm_up));
            assert_eq!(read, Ok((job.component, job.engine, job.warm_up)));
        }
    }

    #[test]
    fn an_outcome_reads_back() {
        let snapshots = [
            Ok(()),
            Err(Refusal::NoWarmUp),
            Err(Refusal::Engine),
            Err(Refusal::Randomness),
            Err(Refusal::HashSeed),
            Err(Refusal::Clock),
            Err(Refusal::CallOut),
            Err(Refusal::Import("wasi:keyvalue/store@0.2.0-draft".into())),
            Err(Refusal::Handles),
            Err(Refusal::Failed("it trapped".into())),
            Err(Refusal::Busy("it took too long".into())),
            Err(Refusal::Form("no".into())),
            Err(Refusal::Memory),
        ];
        for snapshot in snapshots {
            let outcome = Ok(Compiled::of(snapshot, Bytes::from_static(b"code")));
            assert_eq!(read(&write(&outcome).into()), Ok(outcome));
        }
        let refused = Err(LoadError::Compile("why".into()));
        assert_eq!(read(&write(&refused).into()), Ok(refused));
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_malformed() {
        let whole = Bytes::from(write(&Ok(Compiled::of(Ok(()), Bytes::from_static(b"code")))));
        for end in 0..whole.len() {
            assert_eq!(read(&whole.slice(..end)), Err(Malformed), "{end}");
        }
        assert_eq!(read(&[&*whole, b"x"].concat().into()), Err(Malformed));
        assert_eq!(read(&Bytes::copy_from_slice(&u64::MAX.to_le_bytes())), Err(Malformed));
        let job = job().write();
        assert!(Job::read(job.get(..job.len() - 1).unwrap_or_default()).is_err());
    }
}
