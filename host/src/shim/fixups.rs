//! The module that fills the shim's table, with that table at the end of the worker's.

use super::{Unfit, worker::Table};
use wasm_encoder::{
    ConstExpr, Module, TableType,
    reencode::{Error, Reencode},
};
use wasmparser::{ElementKind, Operator, Parser, Payload};

/// The same module for this table.
///
/// # Errors
/// When it does anything but fill one table from its beginning.
pub(super) fn moved(module: &[u8], table: Table) -> Result<Vec<u8>, Unfit> {
    for section in Parser::new(0).parse_all(module) {
        match section? {
            Payload::ElementSection(section) => {
                for element in section {
                    let ElementKind::Active { offset_expr, .. } = element?.kind else {
                        return Err(other());
                    };
                    let mut offset = offset_expr.get_operators_reader();
                    let (first, end) = (offset.read()?, offset.read()?);
                    if !matches!((first, end), (Operator::I32Const { value: 0 }, Operator::End)) {
                        return Err(other());
                    }
                }
            }
            Payload::Version { .. } | Payload::TypeSection(_) | Payload::ImportSection(_) | Payload::CustomSection(_) | Payload::End(_) => {
            }
            // A snapshot writes what it has looked at, even where there is nothing.
            Payload::DataSection(section) if section.count() == 0 => {}
            Payload::GlobalSection(section) if section.count() == 0 => {}
            Payload::MemorySection(section) if section.count() == 0 => {}
            Payload::DataCountSection { count: 0, .. } => {}
            _ => return Err(other()),
        }
    }
    let mut out = Module::new();
    Rewriter(table).parse_core_module(&mut out, Parser::new(0), module)?;
    Ok(out.finish())
}

fn other() -> Unfit {
    Unfit::new("its fixups are of another form")
}

/// Its one table is the worker's, and its one kind of expression says where to begin.
struct Rewriter(Table);

impl Reencode for Rewriter {
    type Error = Unfit;

    fn table_type(&mut self, _: wasmparser::TableType) -> Result<TableType, Error<Unfit>> {
        Ok(self.0.ty())
    }

    fn const_expr(&mut self, _: wasmparser::ConstExpr<'_>) -> Result<ConstExpr, Error<Unfit>> {
        Ok(ConstExpr::i32_const(self.0.base.cast_signed()))
    }
}
