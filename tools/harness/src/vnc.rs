// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A VNC viewer that looks at a guest's screen, and what that costs QEMU: RFC 6143, without a password, in
//! raw encoding, as much as QEMU needs to send all changes.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;

const VERSION: &[u8; 12] = b"RFB 003.008\n";
/// The security type without a password.
const NO_PASSWORD: u8 = 1;
/// Encodings: pixels as they are, and a change of the screen's size.
const RAW: i32 = 0;
const NEW_SIZE: i32 = -223;
/// Messages to QEMU.
const SET_ENCODINGS: u8 = 2;
const REQUEST_UPDATE: u8 = 3;
/// Messages of QEMU.
const UPDATE: u8 = 0;
const BELL: u8 = 2;
/// Time for the viewer to get the whole screen before the measurement.
const WARM_UP: Duration = Duration::from_secs(2);
/// Number of measurements. On a busy host, the same work takes more CPU time.
const ROUNDS: usize = 5;

/// What QEMU did in an interval.
pub struct Cost {
    /// CPU time of the threads that run the guest's CPUs.
    pub guest: Duration,
    /// CPU time of all other threads: the display, VNC, disks.
    pub host: Duration,
    /// Updates that QEMU has sent to the viewer.
    pub updates: u64,
    /// Bytes of their pixels.
    pub bytes: u64,
}

/// Watches the screen through the VNC server at `socket` for `time` and some rounds, and returns what the
/// cheapest round cost the QEMU process `pid`.
pub fn watch(pid: u32, socket: &Path, time: Duration) -> Result<Cost> {
    let mut viewer = Viewer::connect(socket)?;
    viewer.request(false)?;
    viewer.watch(Instant::now() + WARM_UP)?;
    let rounds: Result<Vec<Cost>> = (0..ROUNDS).map(|_| viewer.cost(pid, time)).collect();
    let cheapest = rounds?.into_iter().min_by_key(|round| round.host);
    cheapest.ok_or_else(|| "no round".into())
}

/// The CPU time that a QEMU process has used.
struct CpuTimes {
    guest: Duration,
    host: Duration,
}

impl CpuTimes {
    fn of(pid: u32) -> Result<Self> {
        let tasks = format!("/proc/{pid}/task");
        let mut times = CpuTimes {
            guest: Duration::ZERO,
            host: Duration::ZERO,
        };
        for task in fs::read_dir(&tasks).map_err(|e| format!("{tasks}: {e}"))? {
            let task = task.map_err(|e| format!("{tasks}: {e}"))?.path();
            // The thread may have ended.
            let (Ok(name), Ok(schedstat)) = (
                fs::read_to_string(task.join("comm")),
                fs::read_to_string(task.join("schedstat")),
            ) else {
                continue;
            };
            let nanoseconds = schedstat.split(' ').next().and_then(|n| n.parse().ok());
            let time = Duration::from_nanos(nanoseconds.ok_or("no CPU time in schedstat")?);
            match name.starts_with("CPU ") {
                true => times.guest += time,
                false => times.host += time,
            }
        }
        Ok(times)
    }
}

/// A connection to a VNC server.
struct Viewer {
    stream: UnixStream,
    size: (u16, u16),
    updates: u64,
    bytes: u64,
}

impl Viewer {
    /// Connects and negotiates.
    fn connect(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).map_err(failed)?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .map_err(failed)?;
        let mut viewer = Viewer {
            stream,
            size: (0, 0),
            updates: 0,
            bytes: 0,
        };
        viewer.get::<12>()?;
        viewer.put(VERSION)?;
        let [count] = viewer.get()?;
        viewer.skip(count.into())?;
        viewer.put(&[NO_PASSWORD])?;
        if viewer.get()? != [0; 4] {
            return Err("VNC: QEMU wants a password".into());
        }
        // Other viewers may stay.
        viewer.put(&[1])?;
        viewer.size = (viewer.number()?, viewer.number()?);
        // The format of pixels.
        viewer.get::<16>()?;
        let name = u32::from_be_bytes(viewer.get()?);
        viewer.skip(name.into())?;

        let mut encodings = vec![SET_ENCODINGS, 0, 0, 2];
        encodings.extend(RAW.to_be_bytes());
        encodings.extend(NEW_SIZE.to_be_bytes());
        viewer.put(&encodings)?;
        Ok(viewer)
    }

    /// Takes updates for `time`, and returns what that cost the QEMU process `pid`.
    fn cost(&mut self, pid: u32, time: Duration) -> Result<Cost> {
        let (updates, bytes) = (self.updates, self.bytes);
        let before = CpuTimes::of(pid)?;
        self.watch(Instant::now() + time)?;
        let after = CpuTimes::of(pid)?;
        Ok(Cost {
            guest: after.guest.saturating_sub(before.guest),
            host: after.host.saturating_sub(before.host),
            updates: self.updates - updates,
            bytes: self.bytes - bytes,
        })
    }

    /// Asks for an update of the whole screen: if `incremental`, as soon as something has changed, and only
    /// of that.
    fn request(&mut self, incremental: bool) -> Result<()> {
        let mut request = vec![REQUEST_UPDATE, incremental.into(), 0, 0, 0, 0];
        request.extend(self.size.0.to_be_bytes());
        request.extend(self.size.1.to_be_bytes());
        self.put(&request)
    }

    /// Takes updates until `end`. The answer to a request that is under way then is taken the next time.
    fn watch(&mut self, end: Instant) -> Result<()> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.stream.set_read_timeout(Some(left)).map_err(failed)?;
            let mut kind = [0];
            match self.stream.read(&mut kind) {
                Ok(0) => return Err("VNC: QEMU has gone".into()),
                Ok(_) => (),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(())
                }
                Err(e) => return Err(failed(e)),
            }
            // The rest of a message follows at once.
            self.stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .map_err(failed)?;
            match kind {
                [UPDATE] => {
                    self.take_update()?;
                    self.request(true)?;
                }
                [BELL] => (),
                [other] => return Err(format!("VNC: message {other}")),
            }
        }
    }

    fn take_update(&mut self) -> Result<()> {
        self.get::<1>()?;
        self.updates += 1;
        for _ in 0..self.number()? {
            self.get::<4>()?;
            let (width, height) = (self.number()?, self.number()?);
            match i32::from_be_bytes(self.get()?) {
                RAW => {
                    let bytes = u64::from(width) * u64::from(height) * 4;
                    self.bytes += bytes;
                    self.skip(bytes)?;
                }
                NEW_SIZE => self.size = (width, height),
                other => return Err(format!("VNC: encoding {other}")),
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.get()?))
    }

    fn get<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    fn skip(&mut self, bytes: u64) -> Result<()> {
        let mut rest = Read::by_ref(&mut self.stream).take(bytes);
        match std::io::copy(&mut rest, &mut std::io::sink()).map_err(failed)? {
            skipped if skipped == bytes => Ok(()),
            _ => Err("VNC: QEMU has gone".into()),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).map_err(failed)
    }
}

fn failed(error: std::io::Error) -> String {
    format!("VNC: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that greets, sends the bytes `messages`, and then nothing more.
    fn server(messages: &'static [u8]) -> Viewer {
        let dir = std::env::temp_dir().join(format!("barium-vnc-{}", messages.len()));
        let _ = fs::remove_file(&dir);
        let listener = std::os::unix::net::UnixListener::bind(&dir).unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client.write_all(VERSION).unwrap();
            client.write_all(&[1, NO_PASSWORD, 0, 0, 0, 0]).unwrap();
            client.write_all(&[0, 2, 0, 1]).unwrap();
            client.write_all(&[0; 16]).unwrap();
            client.write_all(&[0, 0, 0, 1, b'x']).unwrap();
            client.write_all(messages).unwrap();
            let _ = client.read_to_end(&mut Vec::new());
        });
        Viewer::connect(&dir).unwrap()
    }

    #[test]
    fn pixels_and_sizes_are_taken() {
        const MESSAGES: &[u8] = &[
            BELL, UPDATE, 0, 0, 2, // two rectangles
            0, 0, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, // 2 x 1 pixels
            0, 0, 0, 0, 1, 0, 0, 9, 0xff, 0xff, 0xff, 0x21, // 256 x 9 from now on
        ];
        let mut viewer = server(MESSAGES);
        assert_eq!(viewer.size, (2, 1));
        viewer
            .watch(Instant::now() + Duration::from_millis(300))
            .unwrap();
        assert_eq!((viewer.updates, viewer.bytes), (1, 8));
        assert_eq!(viewer.size, (256, 9));
    }

    #[test]
    fn other_messages_are_refused() {
        let end = Instant::now() + Duration::from_secs(5);
        assert!(server(&[9, 9]).watch(end).is_err());
    }
}
