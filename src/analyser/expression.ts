import type { ASTNode, Environment } from '@marcbachmann/cel-js'
import { z } from 'zod'
import type { FieldFacts } from '../record/fields.ts'
import { EXPRESSION_LENGTH_MAX, expressionEnvironment } from '../runtime/expression.ts'
import type { FactsOf } from './analyser.ts'
import { ExpressionError, invalidExpression } from './expression-error.ts'
import {
  AGGREGATES,
  type AggregateCall,
  AS_THEY_ARE,
  callOf,
  isAggregate,
  KNOWN,
  lookThrough,
  OF_NOTHING,
  OF_WORDS,
  PERCENTILE,
  RECORDS,
  type Scope,
} from './expression-names.ts'
import { compileNumeric, fieldLeaf, type LeafOf, type NumberOf } from './fast-path.ts'
import { pathOf, putAt, valueAt } from './field-path.ts'
import { FieldWindow } from './field-window.ts'
import type { Word } from './field-words.ts'
import type { SampleRun } from './sample-run.ts'
import type { FieldPlan, Rows } from './windows/row.ts'

/** What an expression says of a window or record; undefined where it says nothing, because a field has no value there. */
export interface Expression {
  readonly text: string
  readonly fields: readonly string[]
  /** Those of which it asks percentiles. */
  readonly quantiles: readonly string[]
  /** Those of which it asks what text counts for. */
  readonly words: readonly string[]
  ofRows(plan: FieldPlan, rows: Rows): unknown
  ofRecord(fields: Readonly<Record<string, unknown>>): unknown
  /** Whether it is false of every record: told only where numbers are all that it asks of them; else undefined. */
  isFalseThrough(run: SampleRun): boolean | undefined
  /** Each aggregate that it names, with its value: `avg(oil_c)` → 91.2; of a record, each number that it names. */
  valuesOfRows(plan: FieldPlan, rows: Rows): Record<string, number | Word>
  valuesOfRecord(fields: Readonly<Record<string, unknown>>): Record<string, number>
  /** Units of those values, as `unitOf` has them of the fields. */
  unitsOf(unitOf: (field: string) => string | undefined): Record<string, string | undefined>
  /** What is known of what it gives: its type, and its unit where it is an aggregate or a field and nothing else. */
  factsOf(factsOf: FactsOf): FieldFacts
  /** The same of each value that it names. */
  factsOfValues(factsOf: FactsOf): Record<string, FieldFacts>
}

/** What an aggregate makes of its field's unit; most leave it as it is. */
const UNIT_OF: Readonly<Record<string, (unit: string) => string | undefined>> = {
  count: () => undefined,
  rate: unit => `${unit}/s`,
}

/** Types of CEL as those of fields. */
const TYPES: Readonly<Record<string, FieldFacts['type']>> = {
  bool: 'boolean',
  double: 'number',
  int: 'number',
  uint: 'number',
  string: 'text',
}

/**
 * Compiles an expression in CEL (Common Expression Language), such as `avg(oil_c) > 90 && max(bar) < 12` over windows or
 * `oil_c > 90 && state == "running"` over records. Throws {@link ExpressionError} with the place in the text.
 */
export function compileExpression(text: string, scope: Scope, gives: 'truth' | 'value'): Expression {
  if (text.length > EXPRESSION_LENGTH_MAX) {
    throw new ExpressionError(0, `has ${text.length} characters; ${EXPRESSION_LENGTH_MAX} are allowed`, 'Say it in fewer.')
  }
  let records = 0
  const cel = environment(() => records)
  let evaluate: ReturnType<Environment['parse']>
  try {
    evaluate = cel.parse(text)
  } catch (cause) {
    throw invalidExpression(cause, text, KNOWN)
  }
  const found = lookThrough(evaluate.ast, scope)
  const check = evaluate.check()
  if (!check.valid) throw invalidExpression(check.error, text, KNOWN)
  if (gives === 'truth' && check.type !== 'bool' && check.type !== 'dyn') {
    const example =
      scope === 'window' ? 'an aggregate with a number, for example avg(oil_c) > 90' : 'a field, for example oil_c > 90'
    throw new ExpressionError(0, `gives ${check.type}, not true or false`, `Compare ${example}.`)
  }
  if (found.fields.size === 0 && !found.usesRecords) {
    throw new ExpressionError(
      0,
      'names no field',
      scope === 'window' ? `Write an aggregate of one. ${KNOWN}` : 'Name a field of the records.',
    )
  }
  const fields = [...found.fields]
  const needed = found.calls.filter(({ name }) => !OF_NOTHING.includes(name))
  const asTheyAre = found.calls.filter(({ name }) => AS_THEY_ARE.includes(name)).map(({ field }) => field)
  const context: Record<string, unknown> = {}
  const isTruth = gives === 'truth'
  const numeric = scope === 'record' && isTruth ? compileNumeric(evaluate.ast, fieldLeaf) : undefined
  const numericOfRun = scope === 'record' && isTruth ? compileNumeric(evaluate.ast, columnLeaf(fields)) : undefined
  const numericOfRows = scope === 'window' && isTruth ? compileNumeric(evaluate.ast, aggregateLeaf) : undefined
  const evaluated = (asked: Record<string, unknown>): unknown => {
    try {
      return plain(evaluate(asked))
    } catch {
      // Text where a number is compared, or a division by zero of whole numbers: nothing can be said of such a record or window.
      return undefined
    }
  }
  return {
    text,
    fields,
    quantiles: [...found.quantiles],
    words: found.calls.filter(({ name }) => OF_WORDS.includes(name)).map(({ field }) => field),
    ofRows(plan, rows) {
      const asked = { plan, rows }
      for (const call of needed) if (!hasValue(call, windowOf(asked, call.field))) return undefined
      if (numericOfRows && !asTheyAre.some(field => windowOf(asked, field).hasWords)) return numericOfRows(asked)
      for (const field of fields) putAt(context, field, windowOf({ plan, rows }, field))
      records = rows.records
      return evaluated(context)
    },
    ofRecord(values) {
      let areNumbers = true
      for (const field of fields) {
        const value = valueAt(values, field)
        if (value === undefined || value === null) return undefined
        if (typeof value !== 'number') areNumbers = false
      }
      if (numeric && areNumbers) return numeric(values)
      return evaluated(values as Record<string, unknown>)
    },
    isFalseThrough(run) {
      if (!numericOfRun) return undefined
      const columns = fields.map(field => run.column(field))
      const { length } = run.samples
      for (const at = { columns, index: 0 }; at.index < length; at.index++) {
        for (const column of columns) if (Number.isNaN(column[at.index])) return undefined
        if (numericOfRun(at)) return false
      }
      return true
    },
    valuesOfRows(plan, rows) {
      const values: Record<string, number | Word> = {}
      for (const call of found.calls) {
        const window = windowOf({ plan, rows }, call.field)
        if (hasValue(call, window)) values[call.text] = call.of(window)
      }
      if (found.usesRecords) values[`${RECORDS}()`] = rows.records
      return values
    },
    valuesOfRecord(given) {
      const numbers = fields
        .map(field => [field, valueAt(given, field)] as const)
        .filter(([, value]) => typeof value === 'number')
      return Object.fromEntries(numbers) as Record<string, number>
    },
    unitsOf(unitOf) {
      if (scope === 'record') return Object.fromEntries(fields.map(field => [field, unitOf(field)]))
      return Object.fromEntries(found.calls.map(call => [call.text, unitOfCall(call, unitOf(call.field))]))
    },
    factsOf(factsOf) {
      const field = scope === 'record' ? pathOf(evaluate.ast) : undefined
      if (field !== undefined) return factsOf(field)
      const call = evaluate.ast.op === 'call' ? callOf(evaluate.ast, []) : undefined
      if (call && isAggregate(call.name)) return factsOfCall(call, factsOf)
      const type = TYPES[String(check.type)]
      return type === undefined ? {} : { type }
    },
    factsOfValues(factsOf) {
      const facts: [string, FieldFacts][] =
        scope === 'record'
          ? fields.map(field => [field, { ...factsOf(field), type: 'number' }])
          : found.calls.map(call => [call.text, factsOfCall(call, factsOf)])
      if (found.usesRecords) facts.push([`${RECORDS}()`, { type: 'number' }])
      return Object.fromEntries(facts)
    },
  }
}

function unitOfCall({ name }: AggregateCall, unit: string | undefined): string | undefined {
  return unit === undefined || !UNIT_OF[name] ? unit : UNIT_OF[name](unit)
}

function factsOfCall(call: AggregateCall, factsOf: FactsOf): FieldFacts {
  const { type, unit: own } = factsOf(call.field)
  if (AS_THEY_ARE.includes(call.name) && type !== 'number') return type === undefined ? {} : { type }
  const unit = unitOfCall(call, own)
  return { type: 'number', ...(unit !== undefined && { unit }) }
}

function hasValue({ name }: AggregateCall, window: FieldWindow): boolean {
  return (OF_WORDS.includes(name) ? window.values : window.count) > 0
}

/** The rows of a window, and where the fields lie in them. */
interface Asked {
  readonly plan: FieldPlan
  readonly rows: Rows
}

function windowOf({ plan, rows }: Asked, field: string): FieldWindow {
  return rows.fields[plan.names.indexOf(field)] ?? new FieldWindow()
}

/** One record of a run: the columns of the expression's fields, and its place in them. */
interface InRun {
  readonly columns: readonly Float64Array[]
  index: number
}

function columnLeaf(fields: readonly string[]): LeafOf<InRun> {
  return node => {
    const path = pathOf(node)
    if (path === undefined) return undefined
    const field = fields.indexOf(path)
    return ({ columns, index }) => columns[field]?.[index] ?? Number.NaN
  }
}

/** An aggregate that was looked through before. */
function aggregateLeaf(node: ASTNode): NumberOf<Asked> | undefined {
  if (node.op !== 'call' || !isAggregate(node.args[0])) return undefined
  if (node.args[0] === RECORDS) return ({ rows }) => rows.records
  const call = callOf(node, [])
  return call && (asked => call.of(windowOf(asked, call.field)) as number)
}

/** An expression in a file: checked when the file is read, with the place in it of what is wrong. */
export function expressionSchema(scope: Scope, gives: 'truth' | 'value') {
  return z.string().superRefine((text, context) => checkExpression(text, scope, gives, context, []))
}

/** Adds what is wrong with an expression to a schema's issues. */
export function checkExpression(
  text: string,
  scope: Scope,
  gives: 'truth' | 'value',
  context: z.core.$RefinementCtx,
  path: PropertyKey[],
): void {
  try {
    compileExpression(text, scope, gives)
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    const message = `${error.message}${error.message.endsWith('?') ? '' : '.'} ${error.advice ?? ''}`.trim()
    context.addIssue({ code: 'custom', message, path, params: { offset: error.offset } })
  }
}

function environment(records: () => number): Environment {
  const cel = expressionEnvironment()
  cel.registerType('Field', FieldWindow)
  for (const [name, aggregate] of Object.entries(AGGREGATES))
    cel.registerFunction(`${name}(Field): ${AS_THEY_ARE.includes(name) ? 'dyn' : 'double'}`, aggregate)
  cel.registerFunction(`${PERCENTILE}(Field, double): double`, (window: FieldWindow, percent: number) =>
    window.percentile(percent),
  )
  cel.registerFunction(`${PERCENTILE}(Field, int): double`, (window: FieldWindow, percent: bigint) =>
    window.percentile(Number(percent)),
  )
  cel.registerFunction(`${RECORDS}(): double`, () => records())
  return cel
}

/** CEL's whole numbers as numbers. */
function plain(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value
}
