//! Tables whose columns align.

/// Rows under a heading. Numbers are wanted right, text left.
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

/// Which edge of its column a cell keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

impl Table {
    /// A table with these columns; a name that starts with `>` makes its column keep right.
    pub fn new(columns: &[&'static str]) -> Self {
        let column = |name: &&'static str| match name.strip_prefix('>') {
            Some(name) => (name, Align::Right),
            None => (*name, Align::Left),
        };
        Self { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells stay empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// The lines, without blanks at their ends. Without rows there is only the heading.
    pub fn render(&self) -> String {
        let width = |n: usize, name: &str| {
            let cells = self.rows.iter().filter_map(|row| row.get(n)).map(|cell| columns(cell));
            cells.chain([name.len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(n, (name, _))| width(n, name)).collect();
        let heading = self.columns.iter().map(|(name, _)| name.to_string()).collect();
        let mut text = String::new();
        for row in [&heading].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for ((cell, (_, align)), width) in row.iter().zip(&self.columns).zip(&widths) {
                let blank = " ".repeat(width.saturating_sub(columns(cell)));
                match align {
                    Align::Left => line.extend([cell, &*blank]),
                    Align::Right => line.extend([&*blank, cell]),
                }
                line.push_str("  ");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// How many columns of a terminal a text takes, nearly: one per character.
fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A name as it may be shown: control characters are escaped, so that an object's name can
/// neither break a line nor command the terminal.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_have_no_tail() {
        let mut table = Table::new(&["NAME", ">SIZE", "NOTE"]);
        table.row(["a".into(), "1".into(), "x".into()]);
        table.row(["longer".into(), "12345".into(), String::new()]);
        table.row(["é\n".into(), "7".into()]);
        let expected = "\
NAME     SIZE  NOTE
a           1  x
longer  12345
é\\n         7
";
        assert_eq!(table.render(), expected);
        assert_eq!(Table::new(&["NAME"]).render(), "NAME\n");
    }

    #[test]
    fn names_cannot_command_the_terminal() {
        assert_eq!(printable("a\u{1b}[2Jb\tc"), "a\\u{1b}[2Jb\\tc");
    }
}
