//! A component without its shim.
//!
//! A core function that the host gives needs the worker's memory, and the worker's module cannot be instantiated without its imports. Tools
//! that make components (`wit-component`) break that circle with two small modules: the *shim*, whose functions call through a table that is
//! empty yet, is instantiated first and gives the worker its imports; the *fixups* are instantiated last and fill the table. Every request
//! pays for all of these instances, and the shim's part is the larger one of the two: a function reference for each of its exports.
//!
//! The shim needs no instance of its own. Here its functions and its table move into the worker's module, whose own code does not know of them; the
//! fixups fill that table; of the shim's module an empty one is left. What the worker does stays the same, call by call. The result is derived
//! as machine code is, and checked by wasmtime as any component; a component of any other form is left as it is.

mod form;
mod worker;

use form::{Form, sections};
use std::ops::Range;
use wasm_encoder::{
    Alias, CanonicalFunctionSection, Component, ComponentAliasSection, ComponentSectionId, ExportKind, InstanceSection, Module, ModuleArg,
    RawSection,
    reencode::{Error, Reencode, ReencodeComponent},
};
use wasmparser::{ComponentAlias, ComponentType, ExternalKind, Instance, KnownCustom, Payload, Validator, WasmFeatures};
use worker::Worker;

/// What the worker's module exports the shim's table as: the fixups import it.
const TABLE: &str = "tollgate:imports";

/// Why a component keeps its shim.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unfit(String);

impl Unfit {
    fn new(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<wasmparser::BinaryReaderError> for Unfit {
    fn from(error: wasmparser::BinaryReaderError) -> Self {
        Self(error.to_string())
    }
}

impl From<Error<Self>> for Unfit {
    fn from(error: Error<Self>) -> Self {
        match error {
            Error::UserError(unfit) => unfit,
            other => Self(other.to_string()),
        }
    }
}

/// The same component, its shim within its worker's module.
///
/// # Errors
/// Why it stays as it is: it has no shim, or one of another form.
pub(crate) fn inlined(component: &[u8]) -> Result<Vec<u8>, Unfit> {
    // Some that are not valid would become so; they are for wasmtime to refuse, which knows better what it accepts.
    Validator::new_with_features(WasmFeatures::all()).validate_all(component)?;
    let sections = sections(component)?;
    let form = Form::read(component, &sections)?;
    let worker = Worker::survey(&form)?;
    let mut rewriter = Rewriter {
        component,
        worker: &worker,
        form: &form,
        modules: 0,
        instances: 0,
    };
    let mut out = Component::new();
    for section in sections {
        rewriter.section(&mut out, section)?;
    }
    Ok(out.finish())
}

/// Writes the component anew. Modules and component-level items keep their indices; the shim's instance and the aliases of its
/// functions are left out, so core instances and core functions after them move down.
struct Rewriter<'a> {
    component: &'a [u8],
    form: &'a Form<'a>,
    worker: &'a Worker<'a>,
    /// Modules and core instances of the old component that have been met.
    modules: u32,
    instances: u32,
}

impl<'a> Rewriter<'a> {
    fn section(&mut self, out: &mut Component, section: Payload<'_>) -> Result<(), Unfit> {
        match section {
            Payload::Version { .. } | Payload::End(_) => {}
            Payload::ModuleSection { unchecked_range, .. } => {
                let module = self.bytes(unchecked_range)?;
                let rewritten;
                let data = if self.modules == self.form.worker_module {
                    rewritten = self.worker.rewritten()?;
                    &rewritten
                } else if Some(self.modules) == self.form.shim_module {
                    &Module::HEADER
                } else {
                    module
                };
                self.modules += 1;
                let id = ComponentSectionId::CoreModule as u8;
                out.section(&RawSection { id, data });
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                let id = ComponentSectionId::Component as u8;
                let data = self.bytes(unchecked_range)?;
                out.section(&RawSection { id, data });
            }
            Payload::InstanceSection(section) => {
                let mut instances = InstanceSection::new();
                for instance in section {
                    self.instance(&mut instances, instance?)?;
                }
                out.section(&instances);
            }
            Payload::ComponentAliasSection(section) => {
                let mut aliases = ComponentAliasSection::new();
                for alias in section {
                    self.alias(&mut aliases, alias?)?;
                }
                out.section(&aliases);
            }
            Payload::ComponentCanonicalSection(section) => {
                let mut functions = CanonicalFunctionSection::new();
                self.parse_component_canonical_section(&mut functions, section)?;
                out.section(&functions);
            }
            // Names of core functions by indices that no longer hold.
            Payload::CustomSection(section) if matches!(section.as_known(), KnownCustom::ComponentName(_)) => {}
            other => {
                if let Payload::ComponentTypeSection(section) = &other {
                    for ty in section.clone() {
                        if let ComponentType::Resource { dtor: Some(_), .. } = ty? {
                            return Err(Unfit::new("it has a resource with a destructor"));
                        }
                    }
                }
                let (id, range) = other.as_section().ok_or_else(|| Unfit::new("it has a section of unknown form"))?;
                let data = self.bytes(range)?;
                out.section(&RawSection { id, data });
            }
        }
        Ok(())
    }

    fn bytes(&self, range: Range<usize>) -> Result<&'a [u8], Unfit> {
        self.component.get(range).ok_or_else(|| Unfit::new("it is cut short"))
    }

    fn instance(&mut self, instances: &mut InstanceSection, instance: Instance<'_>) -> Result<(), Unfit> {
        let index = self.instances;
        self.instances += 1;
        match instance {
            _ if index == self.form.shim => {}
            Instance::Instantiate { module_index, args } => {
                let args = args
                    .iter()
                    .map(|arg| (arg.name, ModuleArg::Instance(self.instance_index(arg.index))));
                let args: Vec<_> = args.collect();
                instances.instantiate(module_index, args);
            }
            Instance::FromExports(exports) => {
                let mut kept = Vec::new();
                for export in &exports {
                    if export.kind == ExternalKind::Func && self.form.is_shims(export.index) {
                        continue;
                    }
                    kept.push((
                        export.name,
                        self.export_kind(export.kind)?,
                        self.external_index(export.kind, export.index)?,
                    ));
                }
                instances.export_items(kept);
            }
        }
        Ok(())
    }

    fn alias(&mut self, aliases: &mut ComponentAliasSection, alias: ComponentAlias<'_>) -> Result<(), Unfit> {
        match alias {
            ComponentAlias::CoreInstanceExport {
                kind: ExternalKind::Func,
                instance_index,
                ..
            } if instance_index == self.form.shim => {}
            ComponentAlias::CoreInstanceExport { kind, instance_index, .. } if instance_index == self.form.shim => {
                if kind != ExternalKind::Table || self.instances <= self.form.worker {
                    return Err(Unfit::new("its shim is used before its worker is there"));
                }
                let instance = self.instance_index(self.form.worker);
                aliases.alias(Alias::CoreInstanceExport {
                    instance,
                    kind: ExportKind::Table,
                    name: TABLE,
                });
            }
            other => {
                aliases.alias(self.component_alias(other)?);
            }
        }
        Ok(())
    }
}

impl Reencode for Rewriter<'_> {
    type Error = Unfit;

    fn function_index(&mut self, function: u32) -> Result<u32, Error<Unfit>> {
        if self.form.is_shims(function) {
            return Err(Error::UserError(Unfit::new("its shim gives more than the worker's imports")));
        }
        let before = self.form.functions.partition_point(|shims| *shims < function);
        Ok(function - before as u32)
    }
}

impl ReencodeComponent for Rewriter<'_> {
    fn instance_index(&mut self, instance: u32) -> u32 {
        instance - u32::from(instance > self.form.shim)
    }
}

#[cfg(test)]
#[expect(clippy::expect_used, reason = "a failed expectation fails the test")]
mod tests;
