import { expect, test } from 'vitest'
import { condition } from '../../src/analyser/condition.ts'
import type { FieldFacts } from '../../src/record/fields.ts'

const FACTS: Readonly<Record<string, FieldFacts>> = {
  temp: { type: 'number', unit: '°C', description: 'In the sump' },
  state: { type: 'text' },
}

function fieldsOf(options: Readonly<Record<string, unknown>>, per: 'source' | 'all' = 'all') {
  return condition.fieldsOf?.(condition.options.parse(options), per, field => FACTS[field] ?? {})
}

test('an aggregate is a number in its field’s unit, and a count has none', () => {
  const values = {
    a: 'avg(temp)',
    p: 'percentile(temp, 95)',
    n: 'count(temp)',
    d: 'delta(temp)',
    r: 'rate(temp)',
    unknown: 'sum(kwh)',
  }
  const fields = fieldsOf({ every: '1m', values })
  expect(fields).toMatchObject({
    a: { type: 'number', unit: '°C' },
    p: { type: 'number', unit: '°C' },
    d: { type: 'number', unit: '°C' },
    r: { type: 'number', unit: '°C/s' },
  })
  expect(fields?.['n']).toEqual({ type: 'number' })
  expect(fields?.['unknown']).toEqual({ type: 'number' })
})

test('what is reckoned of aggregates has a type, and no unit that it may not have', () => {
  const values = { square: 'avg(temp) * avg(temp)', high: 'max(temp) > 90.0', word: 'max(temp) > 90.0 ? "high" : "low"' }
  expect(fieldsOf({ every: '1m', values })).toEqual({
    ...{ from_ms: { type: 'number', unit: 'ms' }, to_ms: { type: 'number', unit: 'ms' } },
    ...{ square: { type: 'number' }, high: { type: 'boolean' }, word: { type: 'text' } },
  })
})

test('a condition without values gives its aggregates, one of each record its numbers', () => {
  expect(fieldsOf({ every: '1m', when: 'avg(temp) > 90 && records() > 3' }, 'source')).toEqual({
    ...{ gateway: { type: 'text' }, source: { type: 'text' } },
    ...{ from_ms: { type: 'number', unit: 'ms' }, to_ms: { type: 'number', unit: 'ms' } },
    ...{ 'avg(temp)': { type: 'number', unit: '°C' }, 'records()': { type: 'number' } },
  })
  expect(fieldsOf({ when: 'temp > 90', values: { temp: 'temp', state: 'state' } })).toEqual(FACTS)
})
