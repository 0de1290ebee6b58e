//! The paths in Rust code that is compiled outside of tests.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, Item, ItemUse, Lit, Meta, Token, UseTree, Visibility};

/// A path in the source text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// It begins with an empty name if `::` is written before the first name. A method is one name: `.method`.
    pub(super) names: Vec<String>,
    pub(super) line: usize,
    is_in_code: bool,
}

impl Path {
    /// Returns whether the path is a single name in code, which may be the name of a variable.
    pub(super) fn may_be_variable(&self) -> bool {
        self.is_in_code && self.names.len() == 1
    }
}

/// One path of a `use` item.
#[derive(Debug)]
pub(super) struct Use {
    /// Returns the name that it binds; `None` for `*`, which binds all names of a module.
    pub(super) name: Option<String>,
    pub(super) path: Path,
    pub(super) is_reexport: bool,
}

/// The paths of a `use` item, one for each name that it binds.
pub(super) fn uses(item: &ItemUse) -> Vec<Use> {
    let mut found = Vec::new();
    if !is_for_tests(&item.attrs) {
        let before = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        add_uses(&item.tree, &before, is_reexport, &mut found);
    }
    found
}

fn add_uses(tree: &UseTree, before: &[String], is_reexport: bool, found: &mut Vec<Use>) {
    let mut add = |last: &Ident, name: &Ident| {
        let mut names = before.to_vec();
        if last != "self" || names.is_empty() {
            names.push(last.to_string());
        }
        // `use path::{self}` binds the last name of the path.
        let name = if name == "self" { names.last().cloned() } else { Some(name.to_string()) };
        let path = Path { names, line: last.span().start().line, is_in_code: false };
        found.push(Use { name, path, is_reexport });
    };
    match tree {
        UseTree::Path(path) => {
            let before = [before, &[path.ident.to_string()]].concat();
            add_uses(&path.tree, &before, is_reexport, found);
        }
        UseTree::Name(name) => add(&name.ident, &name.ident),
        UseTree::Rename(name) => add(&name.ident, &name.rename),
        UseTree::Glob(glob) => {
            let line = glob.star_token.spans[0].start().line;
            let path = Path { names: before.to_vec(), line, is_in_code: false };
            found.push(Use { name: None, path, is_reexport });
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| add_uses(tree, before, is_reexport, found));
        }
    }
}

/// The paths in items, in the order in which they are written.
pub(super) fn of(items: &[Item]) -> Vec<Path> {
    let mut paths = Paths(Vec::new());
    for item in items {
        paths.visit_item(item);
    }
    paths.0
}

/// The name that an item other than a module or a `use` defines.
pub(super) fn name_of(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// The file that `#[path = "…"]` names.
pub(super) fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("path") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(path), .. }) => Some(path.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Returns whether these attributes compile something only for tests: `cfg(test)`, `cfg(all(test, …))`.
pub(super) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args().is_ok_and(|meta| needs_test(&meta))
    })
}

fn needs_test(condition: &Meta) -> bool {
    let parts = || match condition {
        Meta::List(list) => list
            .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
            .map_or_else(|_| Vec::new(), Vec::from_iter),
        _ => Vec::new(),
    };
    let path = condition.path();
    path.is_ident("test")
        || (path.is_ident("all") && parts().iter().any(needs_test))
        || (path.is_ident("any") && !parts().is_empty() && parts().iter().all(needs_test))
}

struct Paths(Vec<Path>);

impl Paths {
    fn add(&mut self, names: Vec<String>, line: usize) {
        self.0.push(Path { names, line, is_in_code: true });
    }

    /// Adds what looks like a path among the tokens of a macro: names with `::` between them, or the name of a type.
    fn add_tokens(&mut self, tokens: TokenStream) {
        let tokens = Vec::from_iter(tokens);
        let mut rest = tokens.as_slice();
        while let [token, following @ ..] = rest {
            rest = following;
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut names = vec![first.to_string()];
                    while let [
                        TokenTree::Punct(one),
                        TokenTree::Punct(two),
                        TokenTree::Ident(name),
                        following @ ..,
                    ] = rest
                        && (one.as_char(), two.as_char()) == (':', ':')
                    {
                        names.push(name.to_string());
                        rest = following;
                    }
                    if names.len() > 1 || names[0].starts_with(char::is_uppercase) {
                        self.add(names, first.span().start().line);
                    }
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

/// Passes over the nodes that are compiled only for tests.
macro_rules! pass_over_tests {
    ($($visit:ident($node:ident)),* $(,)?) => {
        $(fn $visit(&mut self, node: &'ast syn::$node) {
            if !is_for_tests(&node.attrs) {
                visit::$visit(self, node);
            }
        })*
    };
}

impl<'ast> Visit<'ast> for Paths {
    pass_over_tests!(
        visit_arm(Arm),
        visit_field(Field),
        visit_field_value(FieldValue),
        visit_impl_item_const(ImplItemConst),
        visit_impl_item_fn(ImplItemFn),
        visit_impl_item_type(ImplItemType),
        visit_item_const(ItemConst),
        visit_item_enum(ItemEnum),
        visit_item_fn(ItemFn),
        visit_item_impl(ItemImpl),
        visit_item_macro(ItemMacro),
        visit_item_mod(ItemMod),
        visit_item_static(ItemStatic),
        visit_item_struct(ItemStruct),
        visit_item_trait(ItemTrait),
        visit_item_type(ItemType),
        visit_local(Local),
        visit_stmt_macro(StmtMacro),
        visit_trait_item_fn(TraitItemFn),
        visit_variant(Variant),
    );

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let root = path.leading_colon.as_ref().map(|_| String::new());
        let names = root.into_iter().chain(path.segments.iter().map(|segment| segment.ident.to_string()));
        if let Some(first) = path.segments.first() {
            self.add(names.collect(), first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.add(vec![format!(".{}", call.method)], call.method.span().start().line);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        self.add_tokens(node.tokens.clone());
        visit::visit_macro(self, node);
    }

    /// A `use` item in a function.
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.0.extend(uses(item).into_iter().map(|item| item.path));
    }

    // Neither of these imports anything.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
