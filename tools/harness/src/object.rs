// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Parses objdump's output: the functions of a module, their instructions, jump targets and
//! relocations.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::Command;

use crate::Result;

/// An instruction.
#[derive(Debug)]
pub struct Instruction {
    /// Offset in its section.
    pub address: u64,
    /// Mnemonic.
    pub name: String,
    /// Operands.
    pub operands: String,
    /// Symbols of its relocations.
    pub symbols: Vec<String>,
}

impl Instruction {
    /// Returns the target of a jump or call within the section.
    pub fn target(&self) -> Option<u64> {
        let (address, _) = self.operands.split_once(" <")?;
        match self.symbols.is_empty() {
            true => u64::from_str_radix(address, 16).ok(),
            // The target needs a relocation.
            false => None,
        }
    }

    /// Returns true if it calls or jumps to a function whose name contains `part`.
    pub fn names(&self, part: &str) -> bool {
        let direct = self.symbols.is_empty() && self.operands.contains(part);
        direct || self.symbols.iter().any(|symbol| symbol.contains(part))
    }

    /// Returns true if it is a jump.
    pub fn jumps(&self) -> bool {
        self.name.starts_with('j')
    }
}

/// A function.
#[derive(Debug)]
pub struct Function {
    /// Its section.
    pub section: String,
    /// Its symbol.
    pub symbol: String,
    /// Its instructions.
    pub code: Vec<Instruction>,
}

/// A module.
#[derive(Debug, Default)]
pub struct Object {
    /// All functions.
    pub functions: Vec<Function>,
    /// Functions that data refer to, such as callbacks in a vtable.
    pub named_by_data: BTreeSet<String>,
}

impl Object {
    /// Reads the object file `module`.
    pub fn read(module: &Path) -> Result<Self> {
        let code = objdump(module, &["--disassemble", "--reloc", "--no-show-raw-insn"])?;
        let data = objdump(module, &["--reloc"])?;
        let mut object = parse_code(&code);
        object.named_by_data = parse_data(&data, &object);
        Ok(object)
    }

    /// Returns the symbol of the function that `name` refers to: a symbol, or a section with an
    /// offset.
    fn function_at(&self, name: &str) -> Option<&str> {
        let (symbol, offset) = match name.split_once("+0x") {
            Some((symbol, offset)) => (symbol, u64::from_str_radix(offset, 16).ok()?),
            None => (name.split("-0x").next()?, 0),
        };
        let found = self.functions.iter().find(|function| {
            let start = function.code.first().map_or(u64::MAX, |i| i.address);
            let end = function.code.last().map_or(0, |i| i.address);
            // Relocations of calls are relative to the end of the operand, four bytes further.
            function.symbol == symbol
                || function.section == symbol && (start..=end + 4).contains(&(offset + 4))
        });
        found.map(|function| function.symbol.as_str())
    }

    /// Returns the functions that are reachable from those for which `is_root` is true, without
    /// passing through those for which `is_barred` is true.
    pub fn called_from(
        &self,
        is_root: impl Fn(&Function) -> bool,
        is_barred: impl Fn(&Function) -> bool,
    ) -> BTreeSet<&str> {
        let by_name: HashMap<&str, &Function> = self
            .functions
            .iter()
            .map(|function| (function.symbol.as_str(), function))
            .collect();
        let mut left: Vec<&Function> = self.functions.iter().filter(|f| is_root(f)).collect();
        let mut called = BTreeSet::new();
        while let Some(function) = left.pop() {
            if is_barred(function) || !called.insert(function.symbol.as_str()) {
                continue;
            }
            for instruction in &function.code {
                let direct = instruction.operands.split_once(" <");
                let direct = direct.map(|(_, name)| name.trim_end_matches('>'));
                let direct = direct.filter(|_| instruction.symbols.is_empty());
                let symbols = instruction.symbols.iter().map(String::as_str);
                for name in symbols.chain(direct) {
                    let symbol = self.function_at(name);
                    left.extend(symbol.and_then(|symbol| by_name.get(symbol)));
                }
            }
        }
        called
    }
}

fn objdump(module: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("objdump")
        .args(arguments)
        .arg(module)
        .output()
        .map_err(|e| format!("objdump: {e}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// Parses the output of `objdump --disassemble --reloc --no-show-raw-insn`.
pub fn parse_code(listing: &str) -> Object {
    let mut object = Object::default();
    let mut section = String::new();
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix("Disassembly of section ") {
            section = name.trim_end_matches(':').into();
        } else if let Some(symbol) = label(line) {
            object.functions.push(Function {
                section: section.clone(),
                symbol: symbol.into(),
                code: Vec::new(),
            });
        } else if let Some(function) = object.functions.last_mut() {
            if let Some(symbol) = relocation(line) {
                if let Some(instruction) = function.code.last_mut() {
                    instruction.symbols.push(symbol.into());
                }
            } else if let Some(instruction) = instruction(line) {
                function.code.push(instruction);
            }
        }
    }
    object
}

/// Returns the functions that relocations in data sections refer to, from the output of `objdump
/// --reloc`.
fn parse_data(listing: &str, object: &Object) -> BTreeSet<String> {
    const DATA: &[&str] = &[
        ".data",
        ".rodata",
        ".init",
        ".exit",
        "__param",
        ".gnu.linkonce",
        ".kunit",
    ];
    let mut is_data = false;
    let mut named = BTreeSet::new();
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix("RELOCATION RECORDS FOR [") {
            is_data = DATA.iter().any(|section| name.starts_with(section));
        } else if is_data {
            let value = line.split_whitespace().nth(2);
            let function = value.and_then(|value| object.function_at(value));
            named.extend(function.map(String::from));
        }
    }
    named
}

/// Parses the name in a line like `0000000000000010 <name>:`.
fn label(line: &str) -> Option<&str> {
    let (address, rest) = line.split_once(' ')?;
    let name = rest.strip_prefix('<')?.strip_suffix(">:")?;
    let is_address = address.chars().all(|c| c.is_ascii_hexdigit());
    is_address.then_some(name)
}

/// Parses the symbol in a line like `15: R_X86_64_PLT32  name-0x4`.
fn relocation(line: &str) -> Option<&str> {
    let (_, rest) = line.trim().split_once(": R_")?;
    rest.split_whitespace().nth(1)
}

/// Parses a line like `  15:  call   20 <name>`.
fn instruction(line: &str) -> Option<Instruction> {
    let (address, rest) = line.trim_start().split_once(":\t")?;
    let (name, operands) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    Some(Instruction {
        address: u64::from_str_radix(address, 16).ok()?,
        name: name.into(),
        operands: operands.trim().into(),
        symbols: Vec::new(),
    })
}
