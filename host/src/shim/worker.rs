//! The worker's module with the shim's functions and table in it.

use super::{
    TABLE, Unfit,
    form::{Form, params},
};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, ImportSection, Module, RefType, SectionId, TableSection, TableType,
    reencode::{Error, Reencode, utils},
};
use wasmparser::{
    CodeSectionReader, CustomSectionReader, ExportSectionReader, FunctionSectionReader, ImportSectionReader, Imports, KnownCustom, Parser,
    Payload, TableSectionReader, TypeRef,
};

/// A function that was an import and calls through the table now.
struct Stub {
    ty: u32,
    params: u32,
    slot: u32,
}

/// Tables that a module may have of its own: the pool has places for one more.
const MAX_TABLES: u32 = 1;

/// What is known of the module before it is written anew. Imported functions that were the shim's become the first defined ones: other imports
/// keep their order and move down, and the module's own functions keep their indices.
pub(super) struct Worker<'a> {
    form: &'a Form<'a>,
    stubs: Vec<Stub>,
    /// New indices of what was imported.
    imports: Vec<u32>,
    /// Index of the shim's table: the last one.
    table: u32,
}

impl<'a> Worker<'a> {
    /// # Errors
    /// When it has not what every worker's module has.
    pub(super) fn survey(form: &'a Form<'a>) -> Result<Self, Unfit> {
        let (mut types, mut slots) = (Vec::new(), Vec::new());
        let (mut imported, mut defined) = (0, 0);
        let (mut functions, mut code, mut exports) = (false, false, false);
        for section in Parser::new(0).parse_all(form.module) {
            match section? {
                Payload::TypeSection(section) => types = params(section)?,
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(ty) => slots.push((ty, form.imports.get(&(import.module, import.name)).copied())),
                            TypeRef::FuncExact(_) => return Err(Unfit::new("its worker imports a function by its exact type")),
                            TypeRef::Table(_) => imported += 1,
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(_) => functions = true,
                Payload::TableSection(section) => defined = section.count(),
                Payload::ExportSection(section) => {
                    exports = true;
                    for export in section {
                        if export?.name == TABLE {
                            return Err(Unfit::new("its worker has an export of the table's new name"));
                        }
                    }
                }
                Payload::CodeSectionStart { .. } => code = true,
                _ => {}
            }
        }
        if defined > MAX_TABLES {
            return Err(Unfit::new("its worker has more than one table"));
        }
        if !(functions && code && exports) {
            return Err(Unfit::new("its worker has no functions or no exports"));
        }
        let kept = slots.iter().filter(|(_, slot)| slot.is_none()).count() as u32;
        let (mut stubs, mut imports, mut next) = (Vec::new(), Vec::new(), 0);
        for (ty, slot) in slots {
            let Some(slot) = slot else {
                imports.push(next);
                next += 1;
                continue;
            };
            let params = types.get(ty as usize).copied().flatten();
            let params = params.ok_or_else(|| Unfit::new("its worker imports a function of unknown type"))?;
            imports.push(kept + stubs.len() as u32);
            stubs.push(Stub { ty, params, slot });
        }
        Ok(Self {
            form,
            stubs,
            imports,
            table: imported + defined,
        })
    }

    fn add_table(&self, tables: &mut TableSection) {
        let size = u64::from(self.form.size);
        tables.table(TableType {
            element_type: RefType::FUNCREF,
            table64: false,
            minimum: size,
            maximum: Some(size),
            shared: false,
        });
    }

    /// The module with the shim in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn rewritten(&self) -> Result<Vec<u8>, Unfit> {
        let mut out = Module::new();
        Rewriter(self).parse_core_module(&mut out, Parser::new(0), self.form.module)?;
        Ok(out.finish())
    }
}

/// Writes the module anew.
struct Rewriter<'a>(&'a Worker<'a>);

impl Reencode for Rewriter<'_> {
    type Error = Unfit;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Unfit>> {
        Ok(self.0.imports.get(function as usize).copied().unwrap_or(function))
    }

    fn parse_import_section(&mut self, imports: &mut ImportSection, section: ImportSectionReader<'_>) -> Result<(), Error<Unfit>> {
        for import in section.into_imports() {
            let import = import?;
            let moves = matches!(import.ty, TypeRef::Func(_)) && self.0.form.imports.contains_key(&(import.module, import.name));
            if !moves {
                self.parse_imports(imports, Imports::Single(0, import))?;
            }
        }
        Ok(())
    }

    fn parse_function_section(&mut self, functions: &mut FunctionSection, section: FunctionSectionReader<'_>) -> Result<(), Error<Unfit>> {
        for stub in &self.0.stubs {
            functions.function(stub.ty);
        }
        utils::parse_function_section(self, functions, section)
    }

    fn parse_table_section(&mut self, tables: &mut TableSection, section: TableSectionReader<'_>) -> Result<(), Error<Unfit>> {
        utils::parse_table_section(self, tables, section)?;
        self.0.add_table(tables);
        Ok(())
    }

    /// A module without tables gets a section for the new one, in its place: after the functions.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<(), Error<Unfit>> {
        if after == Some(SectionId::Function) && before != Some(SectionId::Table) {
            let mut tables = TableSection::new();
            self.0.add_table(&mut tables);
            module.section(&tables);
        }
        Ok(())
    }

    fn parse_export_section(&mut self, exports: &mut ExportSection, section: ExportSectionReader<'_>) -> Result<(), Error<Unfit>> {
        utils::parse_export_section(self, exports, section)?;
        exports.export(TABLE, ExportKind::Table, self.0.table);
        Ok(())
    }

    fn parse_code_section(&mut self, code: &mut CodeSection, section: CodeSectionReader<'_>) -> Result<(), Error<Unfit>> {
        for stub in &self.0.stubs {
            let mut function = Function::new([]);
            let mut instructions = function.instructions();
            for param in 0..stub.params {
                instructions.local_get(param);
            }
            instructions
                .i32_const(stub.slot.cast_signed())
                .call_indirect(self.0.table, stub.ty)
                .end();
            code.function(&function);
        }
        utils::parse_code_section(self, code, section)
    }

    /// Keeps the names of functions, for backtraces. What speaks of places in the code (debugging information) would lie.
    fn parse_custom_section(&mut self, module: &mut Module, section: CustomSectionReader<'_>) -> Result<(), Error<Unfit>> {
        match section.as_known() {
            KnownCustom::Name(_) => utils::parse_custom_section(self, module, section),
            _ => Ok(()),
        }
    }
}
