import type { ASTNode } from '@marcbachmann/cel-js'

/** Macros over the items of a list: `items.all(i, i > 3)`. */
const OVER_ITEMS: readonly string[] = ['all', 'exists', 'exists_one', 'filter', 'map']

/** A name that a part of an expression gives to something; it is a field's no more within. */
export interface BoundName {
  readonly name: string
  /** Where the name means what it means outside. */
  readonly outside: readonly ASTNode[]
  readonly within: readonly ASTNode[]
}

/** The name that this part of an expression binds: `i` in `items.all(i, i > 3)`, `x` in `cel.bind(x, a + b, x > 1)`; undefined where it binds none. */
export function boundNameOf(node: ASTNode): BoundName | undefined {
  if (node.op !== 'rcall') return undefined
  const [macro, receiver, [variable, ...rest]] = node.args
  if (variable?.op !== 'id') return undefined
  const name = variable.args
  if (OVER_ITEMS.includes(macro) && rest.length > 0) return { name, outside: [receiver], within: rest }
  const [value, result] = rest
  const isBind = macro === 'bind' && receiver.op === 'id' && receiver.args === 'cel'
  return isBind && value && result ? { name, outside: [value], within: [result] } : undefined
}
