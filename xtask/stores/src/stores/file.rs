//! A plain file that is appended to, and `fdatasync`: the limit.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use super::{Result, Store};

struct Plain {
    file: File,
    buffer: Vec<u8>,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("file"))?;
    Ok(Box::new(Plain { file, buffer: Vec::new() }))
}

impl Store for Plain {
    fn append(&mut self, _first: u64, messages: &[&[u8]]) -> Result<()> {
        self.buffer.clear();
        for message in messages {
            self.buffer.extend_from_slice(message);
        }
        self.file.write_all(&self.buffer)?;
        Ok(self.file.sync_data()?)
    }

    fn after(&mut self, _position: u64, _limit: usize) -> Result<usize> {
        Ok(0)
    }

    fn trim(&mut self, _position: u64) -> Result<()> {
        Ok(())
    }
}
