// This file bounds how large aliases can make a small file.

package yamldoc

import (
	"gopkg.in/yaml.v3"

	"gatehouse/config/problem"
)

// MaxValues bounds the number of values in a table with every alias followed. A
// table of 10,000 routes has about 300,000.
const MaxValues = 2_000_000

// checkAliases refuses a tree that contains itself, or that exceeds MaxValues
// when its aliases are followed. After it, following aliases is safe.
func (d *Document) checkAliases(root *yaml.Node) bool {
	sizes := map[*yaml.Node]int{}
	size, cycle := measure(root, sizes)
	switch {
	case cycle != nil:
		d.add(problem.SeverityError, cycle.Line, cycle.Column, "alias "+problem.Quote("*"+cycle.Value)+" is inside its own value", "")
	case size > MaxValues:
		d.add(problem.SeverityError, root.Line, root.Column, "the file has too many values once its aliases are followed", "use fewer aliases, or use `defaults:`")
	default:
		d.values = size
		return true
	}
	return false
}

// Values returns the number of values in the file with every alias followed.
func (d *Document) Values() int { return d.values }

// unfinished marks an anchor whose value is being measured.
const unfinished = -1

// measure counts the nodes under n, following aliases, up to a little more than
// MaxValues. It measures an anchor once, because an alias always follows its
// anchor. cycle is the alias that closes a cycle, or nil.
func measure(n *yaml.Node, sizes map[*yaml.Node]int) (size int, cycle *yaml.Node) {
	if n.Kind == yaml.AliasNode {
		if sizes[n.Alias] == unfinished {
			return 0, n
		}
		return sizes[n.Alias], nil
	}
	if n.Anchor != "" {
		sizes[n] = unfinished
	}
	size = 1
	for _, child := range n.Content {
		more, cycle := measure(child, sizes)
		if cycle != nil {
			return 0, cycle
		}
		size = min(size+more, MaxValues+1)
	}
	if n.Anchor != "" {
		sizes[n] = size
	}
	return size, nil
}

// resolveAlias returns the value of an alias, and any other node unchanged.
func resolveAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
