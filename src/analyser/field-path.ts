import type { ASTNode } from '@marcbachmann/cel-js'

/**
 * The value of a field: `oil_c`, or `motor.bearing.temp_c` of a field within fields. A field whose own name has points in it goes before those that are
 * nested. Undefined where there is none.
 */
export function valueAt(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  const own = fields[name]
  if (own !== undefined || !name.includes('.')) return own
  let value: unknown = fields
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined
    value = (value as Record<string, unknown>)[part]
  }
  return value
}

/** The same where it is a number that can be counted with; undefined otherwise. */
export function numberAt(fields: Readonly<Record<string, unknown>>, name: string): number | undefined {
  const value = valueAt(fields, name)
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** The field that a part of an expression names, with its points; undefined where it is something else. */
export function pathOf(node: ASTNode): string | undefined {
  if (node.op === 'id') return node.args
  if (node.op !== '.') return undefined
  const [inner, part] = node.args
  const path = pathOf(inner)
  return path === undefined ? undefined : `${path}.${part}`
}

/** Puts a value where an expression that names `name` finds it. */
export function putAt(context: Record<string, unknown>, name: string, value: unknown): void {
  const parts = name.split('.')
  let at = context
  for (const part of parts.slice(0, -1)) {
    const inner = Object.hasOwn(at, part) ? at[part] : undefined
    const next = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {}
    at[part] = next
    at = next
  }
  at[parts.at(-1) ?? name] = value
}
