//! A stream for `git fast-import`: commits with fixed names and dates, so that each identifier follows from the content alone.

use std::fmt::Write;

/// The date of the first commit of every repository: 2020-01-01. Each further commit is a day later.
pub(super) const FIRST_DAY: u64 = 1_577_836_800;

/// One entry of a commit's tree.
pub(super) enum Item<'a> {
    File(&'a str, &'a str),
    Program(&'a str, &'a str),
    Link(&'a str, &'a str),
    /// A submodule at this commit.
    Submodule(&'a str, &'a str),
    Delete(&'a str),
}

/// Commits and tags, in the order in which they are added.
#[derive(Default)]
pub(super) struct Stream {
    text: String,
    commits: u64,
}

impl Stream {
    /// A stream that goes on after so many commits: marks begin there, and so do the days.
    pub(super) fn after(commits: u64) -> Stream {
        Stream { text: String::new(), commits }
    }

    /// Adds a commit to `branch`. `parents` are marks (`:1`) or names of commits; the message is the first word of `title`
    /// and more.
    pub(super) fn commit(&mut self, branch: &str, title: &str, parents: &[&str], items: &[Item]) -> String {
        self.commits += 1;
        let who = format!("A. U. Thör <author@example.com> {} +0100", self.date());
        let message = format!("{title}\n\nThe long part of {title}.\n");
        self.line(&format!(
            "commit refs/heads/{branch}\nmark :{}\nauthor {who}\ncommitter {who}",
            self.commits
        ));
        self.data(&message);
        for (number, parent) in parents.iter().enumerate() {
            let word = if number == 0 { "from" } else { "merge" };
            self.line(&format!("{word} {parent}"));
        }
        for item in items {
            self.item(item);
        }
        format!(":{}", self.commits)
    }

    /// Points a ref (`refs/…`) at a mark: a branch or a lightweight tag.
    pub(super) fn reset(&mut self, name: &str, mark: &str) {
        self.line(&format!("reset {name}\nfrom {mark}\n"));
    }

    /// Adds an annotated tag.
    pub(super) fn tag(&mut self, name: &str, mark: &str) {
        let date = self.date();
        self.line(&format!("tag {name}\nfrom {mark}\ntagger T. Agger <tagger@example.com> {date} +0000"));
        self.data(&format!("This is {name}.\n"));
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    fn date(&self) -> u64 {
        FIRST_DAY + self.commits * 86_400
    }

    fn item(&mut self, item: &Item) {
        let (mode, path, content) = match item {
            Item::File(path, content) => ("100644", path, content),
            Item::Program(path, content) => ("100755", path, content),
            Item::Link(path, content) => ("120000", path, content),
            Item::Submodule(path, commit) => return self.line(&format!("M 160000 {commit} {path}")),
            Item::Delete(path) => return self.line(&format!("D {path}")),
        };
        self.line(&format!("M {mode} inline {path}"));
        self.data(content);
    }

    fn data(&mut self, content: &str) {
        writeln!(self.text, "data {}\n{content}", content.len()).expect("strings grow");
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}
