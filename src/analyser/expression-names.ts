import type { ASTNode } from '@marcbachmann/cel-js'
import { nearest } from '../runtime/nearest.ts'
import { boundNameOf } from './bound-name.ts'
import { ExpressionError } from './expression-error.ts'
import { pathOf } from './field-path.ts'
import type { FieldWindow } from './field-window.ts'
import type { Word } from './field-words.ts'

/** The aggregates that an expression may ask of a field; the same list checks, evaluates and documents. */
export const AGGREGATES = {
  avg: (window: FieldWindow) => window.avg,
  sum: (window: FieldWindow) => window.sum,
  min: (window: FieldWindow) => window.min,
  max: (window: FieldWindow) => window.max,
  first: (window: FieldWindow) => window.firstValue,
  last: (window: FieldWindow) => window.lastValue,
  delta: (window: FieldWindow) => window.delta,
  rate: (window: FieldWindow) => window.rate,
  stddev: (window: FieldWindow) => window.stddev,
  count: (window: FieldWindow) => window.values,
  median: (window: FieldWindow) => window.percentile(50),
} as const

export const PERCENTILE = 'percentile'
export const RECORDS = 'records'
/** Aggregates that say something of a field which has no value in a window. */
export const OF_NOTHING: readonly string[] = ['count', 'sum']
/** Those that give a value as it is, number or not. */
export const AS_THEY_ARE: readonly string[] = ['first', 'last']
/** Those for which text, and true and false, are values too. */
export const OF_WORDS: readonly string[] = [...AS_THEY_ARE, 'count']
export const KNOWN = `Known aggregates: ${Object.keys(AGGREGATES).join(', ')}, ${PERCENTILE}(field, 95), ${RECORDS}(), of numbers alone but for ${OF_WORDS.join(', ')}; operators as in CEL: && || ! == != < <= > >= + - * / ? :.`

/** Over what an expression speaks: aggregates of the fields in a window, or the fields of one record as they are. */
export type Scope = 'window' | 'record'

/** An aggregate of a field, as it is asked for. */
export interface AggregateCall {
  readonly text: string
  readonly field: string
  readonly name: string
  readonly of: (window: FieldWindow) => number | Word
}

/** What an expression names. */
export interface Found {
  readonly fields: Set<string>
  readonly quantiles: Set<string>
  readonly calls: AggregateCall[]
  usesRecords: boolean
}

/** Every field and aggregate that the expression names; throws where a field stands for itself in a window, or an aggregate is asked of a record. */
export function lookThrough(root: ASTNode, scope: Scope): Found {
  const found: Found = { fields: new Set(), quantiles: new Set(), calls: [], usesRecords: false }
  const visit = (node: ASTNode, bound: readonly string[]): void => {
    const path = pathOf(node)
    if (path !== undefined) {
      if (isBound(path, bound)) return
      if (scope === 'window') {
        const advice = `Write for example avg(${path}), max(${path}) or last(${path}); without a window, conditions are over each record's own fields.`
        throw new ExpressionError(node.range.start, `${path} has many values in a window: say which is meant`, advice)
      }
      found.fields.add(path)
      return
    }
    if (node.op === 'call' && node.args[0] === 'has') {
      // It asks whether the field is there: only what it would lie in has to be.
      const [asked] = node.args[1]
      if (asked?.op === '.') {
        visit(asked.args[0], bound)
        return
      }
    }
    if (node.op === 'call' && isAggregate(node.args[0])) {
      if (scope === 'record') {
        const advice = 'Add a window, for example every: 1m; or name the field alone.'
        throw new ExpressionError(node.range.start, `${node.args[0]}() needs a window, and there is none`, advice)
      }
      takeCall(node, bound, found)
      return
    }
    if (node.op === 'call' && scope === 'window' && node.args[1].some(argument => fieldOf(argument, bound) !== undefined)) {
      const [name] = node.args
      const meant = nearest(name, [...Object.keys(AGGREGATES), PERCENTILE])
      const hint = meant === undefined ? '' : `; did you mean ${meant}()?`
      throw new ExpressionError(node.range.start, `${name}() is no aggregate${hint}`, KNOWN)
    }
    const binding = boundNameOf(node)
    if (!binding) {
      for (const child of childrenOf(node.args)) visit(child, bound)
      return
    }
    for (const child of binding.outside) visit(child, bound)
    for (const child of binding.within) visit(child, [...bound, binding.name])
  }
  visit(root, [])
  for (const field of found.fields) {
    const within = [...found.fields].find(other => other.startsWith(`${field}.`))
    if (scope === 'window' && within !== undefined)
      throw new ExpressionError(0, `${field} cannot be a number and hold ${within} too`, 'Name one of them.')
  }
  return found
}

/** The field that a part of an expression names; undefined where the name was bound around it. */
function fieldOf(node: ASTNode, bound: readonly string[]): string | undefined {
  const path = pathOf(node)
  return path === undefined || isBound(path, bound) ? undefined : path
}

function isBound(path: string, bound: readonly string[]): boolean {
  return bound.some(name => path === name || path.startsWith(`${name}.`))
}

function takeCall(node: ASTNode & { op: 'call' }, bound: readonly string[], found: Found): void {
  const [name, [asked, percent]] = node.args
  if (name === RECORDS) {
    found.usesRecords = true
    return
  }
  const call = callOf(node, bound)
  if (!call) throw new ExpressionError((asked ?? node).range.start, `${name}() is asked of a field, by its name`, KNOWN)
  const { field } = call
  found.fields.add(field)
  const isPercentile = name === PERCENTILE
  if (isPercentile || name === 'median') found.quantiles.add(field)
  if (isPercentile && !(percent?.op === 'value' && Number(percent.args) >= 0 && Number(percent.args) <= 100)) {
    throw new ExpressionError(
      (percent ?? node).range.start,
      'percentile() needs a number from 0 to 100',
      `For example percentile(${field}, 95).`,
    )
  }
  if (!found.calls.some(({ text }) => text === call.text)) found.calls.push(call)
}

/** An aggregate of a field, but for `records()`; undefined where it is asked of something else. */
export function callOf(node: ASTNode & { op: 'call' }, bound: readonly string[]): AggregateCall | undefined {
  const [name, [asked, percent]] = node.args
  const field = asked && fieldOf(asked, bound)
  if (field === undefined) return undefined
  if (name !== PERCENTILE) return { text: `${name}(${field})`, field, name, of: AGGREGATES[name as keyof typeof AGGREGATES] }
  const rank = percent?.op === 'value' ? Number(percent.args) : 0
  return { text: `${name}(${field}, ${rank})`, field, name, of: window => window.percentile(rank) }
}

export function isAggregate(name: string): boolean {
  return Object.hasOwn(AGGREGATES, name) || name === PERCENTILE || name === RECORDS
}

function childrenOf(args: unknown): ASTNode[] {
  if (Array.isArray(args)) return args.flatMap(childrenOf)
  return typeof args === 'object' && args !== null && 'op' in args ? [args as ASTNode] : []
}
