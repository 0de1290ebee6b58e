//! Cycles in a directed graph.

use std::collections::{BTreeMap, BTreeSet};

/// One step of a graph whose nodes are names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge<'n, T> {
    pub(super) from: &'n str,
    pub(super) to: &'n str,
    /// What the caller knows of it.
    pub(super) label: T,
}

/// A strongly connected component of more than one node: each node can be reached from each other one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Component<'n, T> {
    /// The shortest cycle through the first of the nodes.
    pub(super) cycle: Vec<Edge<'n, T>>,
    /// The nodes that are not on that cycle.
    pub(super) others: Vec<&'n str>,
}

/// All components of the graph, by the names of their nodes.
pub(super) fn components<'n, T: Copy>(edges: &[Edge<'n, T>]) -> Vec<Component<'n, T>> {
    let mut graph: BTreeMap<&str, Vec<Edge<'n, T>>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| edge.from != edge.to) {
        graph.entry(edge.from).or_default().push(*edge);
    }
    let mut known = BTreeSet::new();
    let mut components = Vec::new();
    for &start in graph.keys() {
        let reached = reach(&graph, start);
        if known.contains(start) || !reached.contains_key(start) {
            continue;
        }
        let members = reached.keys().copied().filter(|node| reach(&graph, node).contains_key(start));
        let members: BTreeSet<&str> = members.collect();
        let cycle = way_back(&reached, start);
        let others = members.iter().copied().filter(|node| cycle.iter().all(|edge| edge.from != *node));
        let others = others.collect();
        known.extend(members);
        components.push(Component { cycle, others });
    }
    components
}

/// The nodes that can be reached from `start` in one step or more, each with the last step of the shortest way.
fn reach<'n, T: Copy>(
    graph: &BTreeMap<&'n str, Vec<Edge<'n, T>>>,
    start: &str,
) -> BTreeMap<&'n str, Edge<'n, T>> {
    let mut reached = BTreeMap::new();
    let mut level = vec![start];
    while !level.is_empty() {
        let mut next = Vec::new();
        for edge in level.into_iter().filter_map(|node| graph.get(node)).flatten() {
            if !reached.contains_key(edge.to) {
                reached.insert(edge.to, *edge);
                next.push(edge.to);
            }
        }
        level = next;
    }
    reached
}

/// The steps from `start` back to it.
fn way_back<'n, T: Copy>(reached: &BTreeMap<&'n str, Edge<'n, T>>, start: &str) -> Vec<Edge<'n, T>> {
    let mut steps = vec![reached[start]];
    while let Some(step) = steps.last().filter(|step| step.from != start) {
        steps.push(reached[step.from]);
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the components of a graph: the nodes of each shortest cycle, and the other nodes.
    #[track_caller]
    fn check(edges: &[&str], expected: &[(&str, &str)]) {
        let edges: Vec<Edge<'_, ()>> =
            edges.iter().map(|edge| Edge { from: &edge[..1], to: &edge[1..], label: () }).collect();
        let found: Vec<(String, String)> = components(&edges)
            .iter()
            .map(|component| {
                (component.cycle.iter().map(|edge| edge.from).collect(), component.others.concat())
            })
            .collect();
        let expected: Vec<(String, String)> =
            expected.iter().map(|(cycle, others)| ((*cycle).into(), (*others).into())).collect();
        assert_eq!(found, expected, "{edges:?}");
    }

    #[test]
    fn a_graph_without_cycles_has_no_component() {
        check(&[], &[]);
        check(&["ab", "ac", "bd", "cd"], &[]);
        check(&["aa"], &[]);
    }

    #[test]
    fn a_cycle_is_found_from_its_first_node() {
        check(&["ab", "ba"], &[("ab", "")]);
        check(&["ca", "bc", "ab", "xa", "by"], &[("abc", "")]);
    }

    #[test]
    fn each_component_is_found_once_with_all_its_nodes() {
        check(&["ab", "ba", "bc", "cd", "db"], &[("ab", "cd")]);
        check(&["ab", "ba", "bc", "cd", "dc"], &[("ab", ""), ("cd", "")]);
    }
}
