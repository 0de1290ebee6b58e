//! A log that has a fault.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sse_server::EventId;
use sse_server::log::{Batch, Entry, Log, LogError, Outcome, Position, Record, RecordKind};
use sse_testing::log::MemoryLog;
use tokio::task::yield_now;

use crate::fault::Fault::{self, *};

/// A log with a fault.
pub(crate) struct Broken {
    pub(crate) log: MemoryLog,
    fault: Fault,
    pub(crate) shared: Arc<Shared>,
    handle: u64,
    followed: AtomicU64,
    has_followed: AtomicBool,
}

#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) is_trimmed: AtomicBool,
    pub(crate) is_evicted: AtomicBool,
    /// The appended batches.
    done: Mutex<HashMap<(u64, u64), Vec<Position>>>,
}

/// The logs by their names.
pub(crate) type Logs = RefCell<HashMap<String, (MemoryLog, Arc<Shared>)>>;

pub(crate) fn open(logs: &Logs, fault: Fault, name: &str) -> Broken {
    let name = if fault == OneLogForAllNames { "" } else { name };
    let (log, shared) = logs.borrow_mut().entry(name.to_owned()).or_default().clone();
    let handle = Arc::strong_count(&shared) as u64;
    let (followed, has_followed) = Default::default();
    Broken { log, fault, shared, handle, followed, has_followed }
}

impl Broken {
    fn is_trimmed(&self) -> bool {
        self.shared.is_trimmed.load(Ordering::Relaxed)
    }

    fn is_evicted(&self) -> bool {
        self.shared.is_evicted.load(Ordering::Relaxed)
    }

    /// Appends a batch under another number.
    async fn append_as(&self, publisher: u64, number: u64, batch: &Batch) -> Result<Vec<Position>, LogError> {
        self.log.append(&Batch::new(publisher, number, batch.records().to_vec())).await
    }

    /// Appends a batch as a new one, though it may have been appended before.
    async fn append_anew(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        self.append_as(self.log.len() as u64, u64::MAX, batch).await
    }

    fn record(&self, record: &Record) -> Record {
        let (mut topic, mut key) = (record.topic().to_owned(), record.key());
        let mut fields = record.fields().clone();
        match self.fault {
            LosesTheKey => key = None,
            EmptyKeyIsNone => key = key.filter(|key| !key.is_empty()),
            TopicInLowerCase => topic = topic.to_lowercase(),
            TrimsTopics => topic = record.topic().trim().into(),
            LosesComments if fields.starts_with(b":") => fields = "data\n".into(),
            TruncatesLarge if fields.len() > 65_536 => fields = "data\n".into(),
            _ => {}
        }
        Record::from_parts(topic.into(), key.map(Into::into), fields).unwrap()
    }

    /// Returns the position that the log says an entry of the sound log has.
    fn shown(&self, position: Position) -> Position {
        let number = position.get();
        Position::new(match self.fault {
            PositionsFall if number > 0 => 1_000_000 - number,
            PositionsOfPairs if number > 0 => number / 2 + 1,
            FirstIsAtStart => number.saturating_sub(1),
            _ => number,
        })
    }

    fn meant(&self, position: Position) -> Position {
        let number = position.get();
        Position::new(match self.fault {
            PositionsFall if number > 0 => 1_000_000u64.saturating_sub(number),
            PositionsOfPairs if number > 0 => number.saturating_mul(2) - 1,
            FirstIsAtStart if number > 0 => number.saturating_add(1),
            _ => number,
        })
    }

    fn entries(&self, mut entries: Vec<Entry>) -> Vec<Entry> {
        for entry in &mut entries {
            let is_first_of_batch =
                entry.record.as_ref().is_some_and(|record| record.fields().starts_with(b"data: 0 of"));
            if self.fault == LosesIds {
                entry.record = entry.record.as_ref().map(without_id);
            }
            let number = entry.position.get();
            entry.position = self.shown(entry.position);
            entry.previous = match self.fault {
                NoLinks => Position::START,
                LinksWithinBatches if is_first_of_batch => Position::START,
                LinksToStartWhenTrimmed if self.is_trimmed() && number == FIRST_KEPT => Position::START,
                LinksAnewWhenTrimmed if self.is_trimmed() && number == ENTRIES + 1 => Position::START,
                LinksToRemovedEntries if self.is_evicted() => Position::new(number - 1),
                _ => self.shown(entry.previous),
            };
        }
        if self.fault == AnEntryAppearsLate && self.log.len() < 80 {
            entries.retain(|entry| entry.position.get() != 50);
        }
        if self.fault == HidesWhatIsEvicted {
            entries.retain(|entry| !entry.is_evicted());
        }
        entries
    }
}

fn next(position: Position) -> Position {
    Position::new(position.get() + 1)
}

/// A message without the line that has its id.
fn without_id(record: &Record) -> Record {
    let fields = std::str::from_utf8(record.fields()).unwrap();
    let lines: String = fields.split_inclusive('\n').filter(|line| !line.starts_with("own-id")).collect();
    Record::from_parts(record.topic().into(), record.key().map(Into::into), lines.into()).unwrap()
}

/// How many entries the suite appends before it trims, and the first of the 50 kept ones.
const ENTRIES: u64 = 402;
const FIRST_KEPT: u64 = ENTRIES - 49;

impl Log for Broken {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        let records: Vec<_> = batch.records().iter().map(|record| self.record(record)).collect();
        let batch = &Batch::new(batch.publisher(), batch.number(), records);
        let bytes: usize = batch.records().iter().map(|record| record.fields().len()).sum();
        let has_null = |record: &Record| record.topic().contains('\0') || record.fields().contains(&0);
        let (publisher, number) = (batch.publisher(), batch.number());
        let done = self.shared.done.lock().unwrap().clone();
        let newest = done.iter().max_by_key(|(_, positions)| positions.last()).map_or(0, |(key, _)| key.0);
        let mut positions = match self.fault {
            Doubles => self.append_anew(batch).await?,
            DoublesOfOtherHandles => self.append_as(publisher ^ self.handle << 32, number, batch).await?,
            ForgetsAllButTheNewestPublisher
                if done.contains_key(&(publisher, number)) && newest != publisher =>
            {
                self.append_anew(batch).await?
            }
            TakesOlderBatches if done.contains_key(&(publisher, number + 1)) => {
                self.append_anew(batch).await?
            }
            IgnoresThePublisher => {
                let theirs = self.append_as(7, number, batch).await?;
                theirs.into_iter().cycle().take(batch.records().len()).collect()
            }
            IgnoresTheSignOfThePublisher => self.append_as(publisher << 1, number, batch).await?,
            // A repeated batch is known as a whole. A batch that was appended in part, because its future was dropped,
            // is not known.
            HalfIsLeftBehind if done.contains_key(&(publisher, number)) => done[&(publisher, number)].clone(),
            HalfIsLeftBehind | OneByOne => {
                let mut positions = Vec::new();
                for (record, place) in batch.records().iter().zip(0..) {
                    // Each message is known on its own.
                    let one = Batch::new(publisher ^ (place + 1) << 32, number, vec![record.clone()]);
                    positions.extend(match self.fault {
                        OneByOne => self.log.append(&one).await?,
                        _ => self.append_anew(&one).await?,
                    });
                    yield_now().await;
                }
                positions
            }
            RefusesNulls if batch.records().iter().any(has_null) => {
                return Err(LogError::refused("a text has NUL"));
            }
            RefusesLargeBatches if bytes > 65_536 => return Err(LogError::refused("the batch is too large")),
            RefusesHalf if bytes > 1_000_000 => {
                self.log.append(&Batch::new(publisher, number, batch.records()[..1].to_vec())).await?;
                return Err(LogError::refused("the batch is too large"));
            }
            NeverAppends => pending().await,
            ForgetsBatchesWhenTrimmed if self.is_trimmed() => self.append_anew(batch).await?,
            _ => self.log.append(batch).await?,
        };
        self.shared.done.lock().unwrap().insert((publisher, number), positions.clone());
        match self.fault {
            OtherPositionsTheSecondTime if done.contains_key(&(publisher, number)) => {
                positions = positions.into_iter().map(next).collect();
            }
            PositionsNotOfTheEntries if positions.len() > 1 => {
                positions = positions.into_iter().map(next).collect();
            }
            OnePositionForAll => positions.truncate(1),
            _ => {}
        }
        Ok(positions.into_iter().map(|position| self.shown(position)).collect())
    }

    fn has_ids(&self) -> bool {
        self.fault.keeps_ids()
    }

    async fn append_with_ids(&self, batch: &Batch) -> Result<Vec<Outcome>, LogError> {
        let (publisher, number) = (batch.publisher(), batch.number());
        let groups = || batch.groups().map(<[Record]>::to_vec);
        let mut is_known = false;
        let changed = match self.fault {
            AppendsRepeats => {
                let mut records = batch.records().to_vec();
                for record in &mut records {
                    let id = record.id().map_or("", EventId::as_str);
                    if self.log.find(record.topic(), id).await?.is_some() {
                        *record = without_id(record);
                    }
                }
                Batch::new(publisher, number, records)
            }
            TakenIsAlone => {
                Batch::of_groups(publisher, number, groups().flatten().map(|record| vec![record]))
            }
            TakenIsTheWholeBatch => Batch::new(publisher, number, batch.records().to_vec()),
            ForgetsOutcomes => Batch::of_groups(fastrand::u64(..), 1, groups()),
            ChecksIdsTooEarly => {
                for record in batch.records() {
                    let id = record.id().map_or("", EventId::as_str);
                    is_known |= self.log.find(record.topic(), id).await?.is_some();
                }
                yield_now().await;
                batch.clone()
            }
            _ => batch.clone(),
        };
        let outcomes = self.log.append_with_ids(&changed).await?;
        let outcomes = outcomes.into_iter().map(|outcome| match (self.fault, outcome) {
            (RepeatsAtOtherPositions, Outcome::Repeat(position)) => Outcome::Repeat(next(position)),
            (TakenIsARepeat, Outcome::Taken) => Outcome::Repeat(Position::START),
            (ChecksIdsTooEarly, Outcome::Repeat(position)) if !is_known && batch.records().len() == 1 => {
                Outcome::New(position)
            }
            (_, outcome) => outcome,
        });
        Ok(outcomes.collect())
    }

    async fn find(&self, topic: &str, id: &str) -> Result<Option<Position>, LogError> {
        match self.fault {
            FindsNothing => Ok(None),
            ForgetsIdsWhenTrimmed if self.is_trimmed() => Ok(None),
            FindsIdsOfOtherTopics if topic == "Topic" => self.log.find("topic", id).await,
            FindsIdsInLowerCase if self.log.find(topic, id).await?.is_none() => {
                self.log.find(topic, &id.to_lowercase()).await
            }
            _ => self.log.find(topic, id).await,
        }
    }

    async fn ends(&self, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        if !self.fault.lists_ends() {
            return Ok(None);
        }
        let mut ends = self.log.ends(limit).await?.unwrap_or_default();
        let entries = self.log.before(None, usize::MAX).await?;
        let is_end = |entry: &&Entry| entry.record.as_ref().unwrap().kind() == RecordKind::End;
        match self.fault {
            ListsNoEnds => ends.clear(),
            ListsOpenedTopics => ends = entries.iter().filter(is_end).cloned().collect(),
            ListsTheLastEnds => {
                for end in &mut ends {
                    let topic = end.record.as_ref().unwrap().topic().to_owned();
                    let of_topic = |entry: &&Entry| entry.record.as_ref().unwrap().topic() == topic;
                    let last = entries.iter().filter(is_end).rfind(of_topic);
                    *end = last.cloned().unwrap_or_else(|| end.clone());
                }
            }
            ListsTheOldestEnds => {
                ends = self.log.ends(usize::MAX).await?.unwrap_or_default();
                ends.truncate(limit);
            }
            ListsTooManyEnds => ends = self.log.ends(usize::MAX).await?.unwrap_or_default(),
            ListsEndsInReverse => ends.reverse(),
            ForgetsEndsWhenTrimmed if self.is_trimmed() => ends.clear(),
            _ => {}
        }
        Ok(Some(ends))
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        let position = position.map(|position| self.meant(position));
        let all = self.log.before(position, usize::MAX).await?;
        let is_known = match position {
            Some(position) => {
                self.log.before(None, usize::MAX).await?.iter().any(|it| it.position == position)
            }
            None => true,
        };
        let mut entries = self.log.before(position, limit).await?;
        match self.fault {
            BeforeIsReversed => entries.reverse(),
            BeforeIgnoresTheLimit => entries = all,
            BeforeHasTheOldest => entries = all.into_iter().take(limit).collect(),
            BeforeHasTheEntryItself => {
                entries = self.log.before(position.map(next), limit).await?;
            }
            BeforeIsEmpty if limit > 20 => entries.clear(),
            BeforeKnowsEntriesOnly if !is_known => entries.clear(),
            BeforeFailsWhenTrimmed if self.is_trimmed() && entries.len() < limit => {
                return Err(LogError::unavailable("the entry was trimmed"));
            }
            BeforeOfGoneIsTheOldestWhenTrimmed if self.is_trimmed() && !is_known && entries.is_empty() => {
                entries = self.log.after(Position::new(FIRST_KEPT - 1), limit).await?.unwrap_or_default();
            }
            _ => {}
        }
        Ok(self.entries(entries))
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let number = position.get();
        let position = self.meant(position);
        let mut page = self.log.after(position, limit).await?;
        let all: Vec<Entry> = self.log.before(None, usize::MAX).await?;
        let later = || all.iter().filter(|entry| entry.position > position).take(limit).cloned().collect();
        match self.fault {
            StartIsUnknown if all.is_empty() => page = None,
            AfterIsReversed => page = page.map(|page| page.into_iter().rev().collect()),
            AfterIgnoresTheLimit => page = self.log.after(position, usize::MAX).await?,
            AfterIsEmpty if limit > 1 && limit < 5 => page = page.map(|_| Vec::new()),
            AfterKnowsAll => page = Some(later()),
            AfterFailsBeyondSigned if i64::try_from(number).is_err() => {
                return Err(LogError::refused("the number is out of range"));
            }
            AfterTheLastIsNone => page = page.filter(|page| !page.is_empty() || all.is_empty()),
            AfterSkips if limit == 7 => page = page.map(|page| page.into_iter().skip(1).collect()),
            KnowsStartWhenTrimmed if number == 0 => page = Some(later()),
            KnowsGoneWhenTrimmed if number > 0 && self.is_trimmed() => page = Some(later()),
            ForgetsRemovedPositions if !all.iter().any(|entry| entry.position.get() == number) => {
                page = page.filter(|_| number == 0 || !self.is_evicted());
            }
            ForgetsTheLastGoneWhenTrimmed if self.is_trimmed() && number == FIRST_KEPT - 1 => page = None,
            _ => {}
        }
        Ok(page.map(|page| self.entries(page)))
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let number = position.get();
        let position = self.meant(position);
        let last = self.log.before(None, 1).await?.last().map_or(Position::START, |entry| entry.position);
        let is_known = self.log.after(position, 1).await?.is_some();
        let has_followed = self.has_followed.swap(true, Ordering::Relaxed);
        match self.fault {
            FollowNeverWakes if position == last => pending().await,
            FollowNeverWaits => return self.after(position, limit).await,
            FollowKnowsAll if !is_known => return Ok(Some(Vec::new())),
            FollowsGoneWhenTrimmed if !is_known && self.is_trimmed() => return Ok(Some(Vec::new())),
            FollowBeginsAtTheEnd if !has_followed && position < last => return Ok(Some(Vec::new())),
            FollowHidesTheNewest if has_followed && position < last => {
                let page = self.log.after(position, limit).await?;
                return Ok(page.map(|page| page.into_iter().skip(1).collect()));
            }
            FollowGoesOnWhereItWas | FollowLosesWhatItHadRead => {
                let was = self.followed.load(Ordering::Relaxed);
                let page = self.log.follow(Position::new(number.max(was)), limit).await?;
                let last = page.as_ref().and_then(|page| page.last()).map_or(0, |entry| entry.position.get());
                self.followed.store(last, Ordering::Relaxed);
                yield_now().await;
                if self.fault == FollowLosesWhatItHadRead {
                    self.followed.store(0, Ordering::Relaxed);
                }
                return Ok(page);
            }
            _ => {}
        }
        let limit = if self.fault == FollowIgnoresTheLimit { usize::MAX } else { limit };
        Ok(self.log.follow(position, limit).await?.map(|page| self.entries(page)))
    }

    fn id(&self, position: Position) -> EventId<'static> {
        let number = position.get();
        let id = match self.fault {
            IdIsEmpty if number == 0 => String::new(),
            IdIsNoHeader => format!("\u{e9}{number}"),
            IdHasSpaces => format!("{number} "),
            _ => number.to_string(),
        };
        EventId::try_from(id).unwrap()
    }

    fn position(&self, id: &str) -> Option<Position> {
        let number = match self.fault {
            IdIsEmpty if id.is_empty() => Some(0),
            IdIsNoHeader => id.strip_prefix('\u{e9}')?.parse().ok(),
            IdHasSpaces => id.strip_suffix(' ')?.parse().ok(),
            IdIsNotRead => return None,
            IdHasManyTexts => id.parse().ok(),
            _ => return self.log.position(id),
        };
        let position = Position::new(number?);
        (self.fault == IdHasManyTexts || self.id(position).as_str() == id).then_some(position)
    }
}
