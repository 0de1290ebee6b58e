//! One page, parsed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use pulldown_cmark::{BrokenLink, CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

/// What the checks need of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    anchors: BTreeSet<String>,
    links: Vec<Link>,
    /// Texts in brackets that no definition makes a link of.
    undefined: Vec<Link>,
    blocks: Vec<Block>,
    /// The pieces of code in the first cell of each row, by the first word of the table's head in lower case.
    rows: BTreeMap<String, Vec<String>>,
    /// The first piece of code of each item of a list.
    items: Vec<String>,
}

/// A link, or what looks like one.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) line: usize,
    pub(super) target: String,
}

/// A block of code.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) line: usize,
    info: String,
    pub(super) text: String,
}

impl Page {
    pub(super) fn parse(text: &str) -> Self {
        let mut undefined = Vec::new();
        let callback = |link: BrokenLink<'_>| {
            undefined.push(Link { line: line(text, link.span.start), target: link.reference.to_string() });
            None
        };
        let options = Options::ENABLE_TABLES;
        let events = Parser::new_with_broken_link_callback(text, options, Some(callback)).into_offset_iter();
        let mut reader = Reader { text, page: Self::default(), seen: BTreeMap::new(), place: Place::Text };
        events.for_each(|(event, range)| reader.take(event, &range));
        Self { undefined, ..reader.page }
    }

    /// Returns the faults of the page alone, without a look at other files, each with its line.
    pub(super) fn faults(&self) -> impl Iterator<Item = String> {
        let unnamed = self.blocks.iter().filter(|block| block.info.is_empty());
        let unnamed = unnamed.map(|block| {
            format!(
                "{} this block names no language: write rust, text or another one after the three marks",
                block.line
            )
        });
        let undefined = self.undefined.iter().map(|link| {
            let Link { line, target } = link;
            format!("{line} `[{target}]` has no target: only rustdoc finds names of items")
        });
        unnamed.chain(undefined).chain(self.blocks.iter().flat_map(Block::hidden_lines))
    }

    pub(super) fn has_anchor(&self, anchor: &str) -> bool {
        self.anchors.contains(anchor)
    }

    pub(super) fn links(&self) -> &[Link] {
        &self.links
    }

    /// The blocks of a language.
    pub(super) fn blocks<'a>(&'a self, language: &'a str) -> impl Iterator<Item = &'a Block> {
        self.blocks.iter().filter(move |block| block.language() == language)
    }

    /// What the first column names of each table whose head begins with this word.
    pub(super) fn rows(&self, head: &str) -> Option<&[String]> {
        self.rows.get(head).map(Vec::as_slice)
    }

    /// Returns whether an item of a list begins with this name.
    pub(super) fn has_item(&self, name: &str) -> bool {
        self.items.iter().any(|item| item == name)
    }
}

impl Block {
    /// Returns the language that rustdoc assumes.
    fn language(&self) -> &str {
        match self.info.split([',', ' ']).next().unwrap_or_default() {
            // A block is Rust if nothing else is said.
            "" | "no_run" | "ignore" | "should_panic" | "compile_fail" => "rust",
            other => other,
        }
    }

    /// The lines that rustdoc would hide.
    fn hidden_lines(&self) -> impl Iterator<Item = String> {
        let lines =
            self.text.lines().enumerate().filter(|(_, text)| self.language() == "rust" && is_hidden(text));
        // The first line of the text is the one after the fence.
        lines.map(|(index, text)| {
            format!("{} `{}` is hidden by rustdoc only", self.line + 1 + index, text.trim())
        })
    }

    /// The lines that a reader sees, also of documentation.
    pub(super) fn shown(&self) -> Vec<&str> {
        let text = self.text.lines().filter(|line| !is_hidden(line)).map(str::trim_end);
        let mut lines: Vec<&str> = text.skip_while(|line| line.is_empty()).collect();
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        lines
    }
}

fn is_hidden(line: &str) -> bool {
    line.trim() == "#" || line.trim_start().starts_with("# ")
}

/// The number of the line of a byte.
fn line(text: &str, byte: usize) -> usize {
    text[..byte].matches('\n').count() + 1
}

/// Where in the page the parser is.
#[derive(Debug)]
enum Place {
    Text,
    Heading(String),
    Block(Block),
    /// In the first cell of a table's head.
    Head(String),
    /// Elsewhere in a table.
    Table(String),
    /// In the first cell of a row of the table with this head.
    FirstCell(String),
    /// In an item of a list, before its first piece of code.
    Item,
}

/// Builds the page from the parser's events.
struct Reader<'t> {
    text: &'t str,
    page: Page,
    /// How often each heading was there.
    seen: BTreeMap<String, usize>,
    place: Place,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) => self.enter(tag, range),
            Event::End(tag) => self.leave(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(code) => self.code(&code),
            Event::Html(html) | Event::InlineHtml(html) => self.html(&html),
            Event::SoftBreak | Event::HardBreak => self.text(" "),
            _ => {}
        }
    }

    fn enter(&mut self, tag: Tag<'_>, range: &Range<usize>) {
        let line = line(self.text, range.start);
        match tag {
            Tag::Heading { .. } => self.place = Place::Heading(String::new()),
            Tag::CodeBlock(kind) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info,
                    // Indented: it can't name a language.
                    CodeBlockKind::Indented => CowStr::from(""),
                };
                self.place = Place::Block(Block { line, info: info.to_string(), text: String::new() });
            }
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.page.links.push(Link { line, target: dest_url.to_string() });
            }
            Tag::Item => self.place = Place::Item,
            Tag::TableHead => self.place = Place::Head(String::new()),
            Tag::TableRow => {
                if let Place::Table(head) = &mut self.place {
                    self.place = Place::FirstCell(std::mem::take(head));
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, tag: TagEnd) {
        match (tag, std::mem::replace(&mut self.place, Place::Text)) {
            (TagEnd::Heading(_), Place::Heading(text)) => self.anchor(&text),
            (TagEnd::CodeBlock, Place::Block(block)) => self.page.blocks.push(block),
            (TagEnd::TableCell, Place::Head(text)) => {
                let head = text.split_whitespace().next().unwrap_or_default().to_lowercase();
                self.page.rows.entry(head.clone()).or_default();
                self.place = Place::Table(head);
            }
            (TagEnd::TableCell, Place::FirstCell(head)) => self.place = Place::Table(head),
            (TagEnd::Item | TagEnd::Table, _) => {}
            (_, place) => self.place = place,
        }
    }

    fn text(&mut self, piece: &str) {
        match &mut self.place {
            Place::Heading(text) | Place::Head(text) => text.push_str(piece),
            Place::Block(block) => block.text.push_str(piece),
            _ => {}
        }
    }

    fn code(&mut self, code: &str) {
        match &self.place {
            Place::Heading(_) | Place::Head(_) => self.text(code),
            Place::FirstCell(head) => {
                self.page.rows.entry(head.clone()).or_default().push(code.to_owned());
            }
            Place::Item => {
                self.page.items.push(code.to_owned());
                self.place = Place::Text;
            }
            _ => {}
        }
    }

    /// The anchors that stand as `id="…"`.
    fn html(&mut self, html: &str) {
        let ids = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next());
        self.page.anchors.extend(ids.map(str::to_owned));
    }

    /// Returns the anchor that GitHub gives a heading.
    fn anchor(&mut self, heading: &str) {
        let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let times = self.seen.entry(anchor.clone()).or_default();
        *times += 1;
        self.page.anchors.insert(match *times {
            1 => anchor,
            times => format!("{anchor}-{}", times - 1),
        });
    }
}
