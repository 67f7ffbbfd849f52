//! What a shim looks like, and where it sits in its component.

use super::Unfit;
use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{
    CanonicalFunction, Chunk, ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    CompositeInnerType, ExternalKind, FunctionBody, Instance, InstantiationArg, Operator, Parser, Payload,
};

/// A component with a shim.
pub(super) struct Form<'a> {
    /// The shim's instance, and its module where that makes no other.
    pub(super) shim: u32,
    pub(super) shim_module: Option<u32>,
    /// Core functions that are the shim's, ascending.
    pub(super) functions: Vec<u32>,
    /// The instance that imports them, and its module, of which it is the only one.
    pub(super) worker: u32,
    pub(super) worker_module: u32,
    /// The bytes of that module.
    pub(super) module: &'a [u8],
    /// Its imports that are the shim's, by module and name, with their places in the table.
    pub(super) imports: BTreeMap<(&'a str, &'a str), u32>,
    /// Elements of the table.
    pub(super) size: u32,
}

/// The sections of a component, those of its modules and components within left out.
pub(super) fn sections(component: &[u8]) -> Result<Vec<Payload<'_>>, Unfit> {
    let cut = || Unfit::new("it is cut short");
    let mut parser = Parser::new(0);
    let mut rest = component;
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? else {
            return Err(cut());
        };
        let within = match &payload {
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => unchecked_range.len(),
            _ => 0,
        };
        rest = consumed.checked_add(within).and_then(|end| rest.get(end..)).ok_or_else(cut)?;
        sections.push(payload);
    }
    Ok(sections)
}

/// Whether a module comes from outside, goes outside, or is named by a component within: it could be instantiated with other imports than here.
fn hands_modules_on(component: &[u8]) -> Result<bool, Unfit> {
    let is_module = |kind: ComponentExternalKind| kind == ComponentExternalKind::Module;
    for section in Parser::new(0).parse_all(component) {
        let mut found = false;
        match section? {
            Payload::ComponentImportSection(imports) => {
                for import in imports {
                    found |= matches!(import?.ty, ComponentTypeRef::Module(_));
                }
            }
            Payload::ComponentExportSection(exports) => {
                for export in exports {
                    found |= is_module(export?.kind);
                }
            }
            Payload::ComponentAliasSection(aliases) => {
                for alias in aliases {
                    found |= match alias? {
                        ComponentAlias::InstanceExport { kind, .. } => is_module(kind),
                        ComponentAlias::Outer { kind, .. } => kind == ComponentOuterAliasKind::CoreModule,
                        ComponentAlias::CoreInstanceExport { .. } => false,
                    };
                }
            }
            Payload::ComponentInstanceSection(instances) => {
                for instance in instances {
                    found |= match instance? {
                        ComponentInstance::Instantiate { args, .. } => args.iter().any(|arg| is_module(arg.kind)),
                        ComponentInstance::FromExports(exports) => exports.iter().any(|export| is_module(export.kind)),
                    };
                }
            }
            _ => {}
        }
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The index spaces that a shim is found by.
#[derive(Default)]
struct Survey<'a> {
    modules: Vec<&'a [u8]>,
    instances: Vec<Instance<'a>>,
    /// Core functions: the instance and the name of those that are exports of one.
    functions: Vec<Option<(u32, &'a str)>>,
}

impl<'a> Survey<'a> {
    fn of(component: &'a [u8], sections: &[Payload<'a>]) -> Result<Self, Unfit> {
        if hands_modules_on(component)? {
            return Err(Unfit::new("its modules are used in more than one place"));
        }
        let mut survey = Self::default();
        for section in sections {
            match section {
                Payload::ModuleSection { unchecked_range, .. } => {
                    let module = component.get(unchecked_range.clone());
                    survey.modules.push(module.ok_or_else(|| Unfit::new("it is cut short"))?);
                }
                Payload::InstanceSection(instances) => {
                    for instance in instances.clone() {
                        survey.instances.push(instance?);
                    }
                }
                Payload::ComponentAliasSection(aliases) => {
                    for alias in aliases.clone() {
                        if let ComponentAlias::CoreInstanceExport {
                            kind: ExternalKind::Func,
                            instance_index,
                            name,
                        } = alias?
                        {
                            survey.functions.push(Some((instance_index, name)));
                        }
                    }
                }
                Payload::ComponentCanonicalSection(functions) => {
                    for function in functions.clone() {
                        if !matches!(function?, CanonicalFunction::Lift { .. }) {
                            survey.functions.push(None);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(survey)
    }

    /// The first instance of a module that is a shim, and that module.
    fn shim(&self) -> Result<(u32, u32, Shim<'a>), Unfit> {
        for (index, instance) in (0..).zip(&self.instances) {
            if let Instance::Instantiate { module_index, args } = instance
                && args.is_empty()
                && let Some(module) = self.modules.get(*module_index as usize)
                && let Ok(shim) = Shim::read(module)
            {
                return Ok((index, *module_index, shim));
            }
        }
        Err(Unfit::new("it has no shim"))
    }

    /// Instances that only carry functions from one place to another, and these among them.
    fn bundles(&self, these: &BTreeMap<u32, u32>) -> BTreeSet<u32> {
        let carry = |instance: &Instance<'_>| match instance {
            Instance::FromExports(exports) => exports
                .iter()
                .any(|export| export.kind == ExternalKind::Func && these.contains_key(&export.index)),
            Instance::Instantiate { .. } => false,
        };
        let all = (0..).zip(&self.instances);
        all.filter(|(_, instance)| carry(instance)).map(|(index, _)| index).collect()
    }

    /// The one instance that takes any of these, with its module and what else it takes.
    fn only_one_with(&self, bundles: &BTreeSet<u32>) -> Result<(u32, u32, &[InstantiationArg<'a>]), Unfit> {
        let mut takers = (0..).zip(&self.instances).filter_map(|(index, instance)| match instance {
            Instance::Instantiate { module_index, args } if args.iter().any(|arg| bundles.contains(&arg.index)) => {
                Some((index, *module_index, &**args))
            }
            _ => None,
        });
        let (Some(taker), None) = (takers.next(), takers.next()) else {
            return Err(Unfit::new("its shim serves none or more than one module"));
        };
        if !self.is_made_once(taker.1) {
            return Err(Unfit::new("a module that uses its shim is instantiated twice"));
        }
        Ok(taker)
    }

    /// Whether a module makes one instance only.
    fn is_made_once(&self, module: u32) -> bool {
        let made = |instance: &&Instance<'_>| matches!(instance, Instance::Instantiate { module_index, .. } if *module_index == module);
        self.instances.iter().filter(made).count() == 1
    }

    /// Whether an instance is handed over whole.
    fn takes(&self, index: u32) -> bool {
        let takes = |instance: &Instance<'_>| match instance {
            Instance::Instantiate { args, .. } => args.iter().any(|arg| arg.index == index),
            Instance::FromExports(_) => false,
        };
        self.instances.iter().any(takes)
    }
}

impl<'a> Form<'a> {
    /// Finds the shim and what uses it.
    ///
    /// # Errors
    /// When there is none, or anything but one instance of one module imports its functions.
    pub(super) fn read(component: &'a [u8], sections: &[Payload<'a>]) -> Result<Self, Unfit> {
        let survey = Survey::of(component, sections)?;
        let (shim, shim_module, what) = survey.shim()?;
        let slots: BTreeMap<u32, u32> = (0..)
            .zip(&survey.functions)
            .filter_map(|(function, export)| match export {
                Some((instance, name)) if *instance == shim => Some((function, *what.slots.get(name)?)),
                _ => None,
            })
            .collect();
        let (worker, worker_module, args) = survey.only_one_with(&survey.bundles(&slots))?;
        if survey.takes(shim) {
            return Err(Unfit::new("its worker is made in another way"));
        }
        let mut imports = BTreeMap::new();
        for arg in args {
            let Some(Instance::FromExports(exports)) = survey.instances.get(arg.index as usize) else {
                continue;
            };
            for export in exports.iter().filter(|export| export.kind == ExternalKind::Func) {
                if let Some(slot) = slots.get(&export.index) {
                    imports.insert((arg.name, export.name), *slot);
                }
            }
        }
        Ok(Self {
            shim,
            shim_module: survey.is_made_once(shim_module).then_some(shim_module),
            functions: slots.into_keys().collect(),
            worker,
            worker_module,
            module: survey
                .modules
                .get(worker_module as usize)
                .ok_or_else(|| Unfit::new("it is cut short"))?,
            imports,
            size: what.size,
        })
    }

    /// Whether a core function is the shim's.
    pub(super) fn is_shims(&self, function: u32) -> bool {
        self.functions.binary_search(&function).is_ok()
    }
}

/// A module whose functions do nothing but call through its table.
struct Shim<'a> {
    /// By export, the place that it calls.
    slots: BTreeMap<&'a str, u32>,
    size: u32,
}

impl<'a> Shim<'a> {
    fn read(module: &'a [u8]) -> Result<Self, Unfit> {
        let other = || Unfit::new("it is no shim");
        let (mut params, mut types, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
        let (mut exports, mut size) = (Vec::new(), None);
        for section in Parser::new(0).parse_all(module) {
            match section? {
                Payload::TypeSection(section) => params = self::params(section)?,
                Payload::FunctionSection(section) => types = section.into_iter().collect::<Result<_, _>>()?,
                Payload::TableSection(section) => {
                    let mut tables = section.into_iter();
                    let table = tables.next().ok_or_else(other)??;
                    if tables.next().is_some() || table.ty.maximum != Some(table.ty.initial) {
                        return Err(other());
                    }
                    size = Some(u32::try_from(table.ty.initial).map_err(|_| other())?);
                }
                Payload::ExportSection(section) => exports = section.into_iter().collect::<Result<Vec<_>, _>>()?,
                Payload::CodeSectionEntry(body) => bodies.push(body),
                Payload::Version { .. } | Payload::CodeSectionStart { .. } | Payload::CustomSection(_) | Payload::End(_) => {}
                // A snapshot writes what it has looked at, even where there is nothing.
                Payload::DataSection(section) if section.count() == 0 => {}
                Payload::GlobalSection(section) if section.count() == 0 => {}
                Payload::MemorySection(section) if section.count() == 0 => {}
                Payload::DataCountSection { count: 0, .. } => {}
                _ => return Err(other()),
            }
        }
        let size = size.ok_or_else(other)?;
        let mut called = Vec::new();
        for (ty, body) in types.iter().zip(&bodies) {
            let params = params.get(*ty as usize).copied().flatten().ok_or_else(other)?;
            called.push(slot(body, *ty, params)?.ok_or_else(other)?);
        }
        let mut slots = BTreeMap::new();
        for export in exports {
            match export.kind {
                ExternalKind::Func => {
                    slots.insert(export.name, *called.get(export.index as usize).ok_or_else(other)?);
                }
                ExternalKind::Table => {}
                _ => return Err(other()),
            }
        }
        if slots.is_empty() || slots.values().any(|slot| *slot >= size) {
            return Err(other());
        }
        Ok(Self { slots, size })
    }
}

/// How many parameters each type of a module has; `None` where it is no function.
pub(super) fn params(section: wasmparser::TypeSectionReader<'_>) -> Result<Vec<Option<u32>>, Unfit> {
    let mut params = Vec::new();
    for group in section {
        for ty in group?.into_types() {
            params.push(match &ty.composite_type.inner {
                CompositeInnerType::Func(function) => Some(function.params().len() as u32),
                _ => None,
            });
        }
    }
    Ok(params)
}

/// The place of the table that a function of this type calls with its own parameters, if it does only that.
fn slot(body: &FunctionBody<'_>, ty: u32, params: u32) -> Result<Option<u32>, Unfit> {
    if body.get_locals_reader()?.get_count() != 0 {
        return Ok(None);
    }
    let mut operators = body.get_operators_reader()?;
    for param in 0..params {
        match operators.read()? {
            Operator::LocalGet { local_index } if local_index == param => {}
            _ => return Ok(None),
        }
    }
    let (index, call, end) = (operators.read()?, operators.read()?, operators.read()?);
    let forwards = matches!(call, Operator::CallIndirect { type_index, table_index: 0 } if type_index == ty);
    match (index, end) {
        (Operator::I32Const { value }, Operator::End) if forwards && operators.eof() => Ok(u32::try_from(value).ok()),
        _ => Ok(None),
    }
}
