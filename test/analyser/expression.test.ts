import { describe, expect, test } from 'vitest'
import { compileExpression } from '../../src/analyser/expression.ts'
import { ExpressionError } from '../../src/analyser/expression-error.ts'
import { Rows } from '../../src/analyser/windows/row.ts'

const PLAN = { names: ['oil_c', 'bar', 'none'], quantiles: [true, false, false], words: [false, false, false] }

function rowsOf(): Rows {
  const rows = new Rows(PLAN)
  rows.addFields({ oil_c: 88, bar: 7 }, 1_000)
  rows.addFields({ oil_c: 92 }, 2_000)
  rows.addFields({ oil_c: 96 }, 5_000)
  return rows
}

function errorOf(text: string, scope: 'window' | 'record' = 'window'): ExpressionError {
  try {
    compileExpression(text, scope, 'truth')
  } catch (error) {
    if (error instanceof ExpressionError) return error
  }
  throw new Error(`"${text}" was taken`)
}

describe('a condition over a window', () => {
  test.each([
    ['avg(oil_c) > 90', true],
    ['avg(oil_c) > 92', false],
    ['max(oil_c) - min(oil_c) == 8.0', true],
    ['avg(oil_c) + 1 > 92', true],
    ['2 * avg(bar) < 15', true],
    ['last(oil_c) > first(oil_c) && count(bar) == 1', true],
    ['delta(oil_c) > 7.9 && !(sum(bar) > 7)', true],
    ['stddev(oil_c) == 4', true],
    ['rate(oil_c) == 2', true],
    ['percentile(oil_c, 50) == 92 && median(oil_c) == 92', true],
    ['percentile(oil_c, 100) == 96', true],
    ['records() == 3', true],
    ['count(none) == 0', true],
  ])('%s is %s', (text, holds) => {
    expect(compileExpression(text, 'window', 'truth').ofRows(PLAN, rowsOf())).toBe(holds)
  })

  test('says nothing of a window in which a field has no value', () => {
    expect(compileExpression('avg(none) < 1000', 'window', 'truth').ofRows(PLAN, rowsOf())).toBeUndefined()
  })

  test('gives each aggregate that it names, once', () => {
    const text = 'avg(oil_c) > 90 || avg(oil_c) < percentile(oil_c, 95) || max(bar) > 1'
    expect(compileExpression(text, 'window', 'truth').valuesOfRows(PLAN, rowsOf())).toEqual({
      'avg(oil_c)': 92,
      'percentile(oil_c, 95)': 95.6,
      'max(bar)': 7,
    })
  })
})

describe('a field within a field', () => {
  const NESTED = { names: ['motor.bearing.temp_c', 'motor.rpm'], quantiles: [true, false], words: [false, false] }

  function nestedRows(): Rows {
    const rows = new Rows(NESTED)
    rows.addFields({ motor: { bearing: { temp_c: 80 }, rpm: 1_500 } }, 1_000)
    rows.addFields({ motor: { bearing: { temp_c: 90 } } }, 2_000)
    rows.addFields({ motor: 5 }, 3_000)
    rows.addFields({ motor: null }, 4_000)
    return rows
  }

  test('has aggregates in a window, by its whole name', () => {
    const text = 'max(motor.bearing.temp_c) == 90 && percentile(motor.bearing.temp_c, 50) == 85 && count(motor.rpm) == 1'
    const condition = compileExpression(text, 'window', 'truth')
    expect(condition.fields).toEqual(['motor.bearing.temp_c', 'motor.rpm'])
    expect(condition.ofRows(NESTED, nestedRows())).toBe(true)
    expect(condition.valuesOfRows(NESTED, nestedRows())).toMatchObject({ 'max(motor.bearing.temp_c)': 90, 'count(motor.rpm)': 1 })
    expect(compileExpression('max(motor.bearing.temp_c) > 90', 'window', 'truth').ofRows(NESTED, nestedRows())).toBe(false)
  })

  test.each([
    ['motor.bearing.temp_c > 80', true, { 'motor.bearing.temp_c': 81 }],
    ['motor.bearing.temp_c > 81', false, { 'motor.bearing.temp_c': 81 }],
    ['motor.bearing.temp_c + 1 > 81 && motor.state == "run"', true, { 'motor.bearing.temp_c': 81 }],
    ['has(motor.rpm)', false, {}],
    ['motor.rpm > 1', undefined, {}],
    ['motor.constructor.name == "Object"', undefined, {}],
  ])('of a record: %s is %s', (text, holds, values) => {
    const condition = compileExpression(text, 'record', 'truth')
    const fields = { motor: { bearing: { temp_c: 81 }, state: 'run' } }
    expect(condition.ofRecord(fields)).toBe(holds)
    expect(condition.valuesOfRecord(fields)).toEqual(values)
  })

  test('whose name has points of its own is that one', () => {
    const rows = new Rows(NESTED)
    rows.addFields({ 'motor.rpm': 7, motor: { rpm: 8 } }, 1_000)
    expect(compileExpression('max(motor.rpm) == 7', 'window', 'truth').ofRows(NESTED, rows)).toBe(true)
  })

  test.each([
    ['motor.rpm > 3', 0, 'motor.rpm has many values in a window'],
    ['avgg(motor.rpm) > 3', 0, 'avgg() is no aggregate'],
    ['avg(a) > 1 and avg(b) > 2', 11, 'has and: CEL writes &&'],
    ['avg(a) > 1 or avg(b) > 2', 11, 'has or: CEL writes ||'],
    ['avg(a) = 1', 7, 'has =: CEL writes =='],
    ['avg(motor) > 1 && avg(motor.rpm) > 3', 0, 'motor cannot be a number and hold motor.rpm too'],
  ])('%s: the error points at it', (text, offset, said) => {
    expect(errorOf(text)).toMatchObject({ offset, message: expect.stringContaining(said) })
  })
})

describe('a condition over records', () => {
  const condition = compileExpression('oil_c > 90 && state == "running"', 'record', 'truth')

  test('sees the fields as they are', () => {
    expect(condition.ofRecord({ oil_c: 91, state: 'running' })).toBe(true)
    expect(condition.ofRecord({ oil_c: 91, state: 'idle' })).toBe(false)
  })

  test('says nothing of a record that lacks a field, or has one of another kind', () => {
    expect(condition.ofRecord({ oil_c: 91 })).toBeUndefined()
    expect(condition.ofRecord({ oil_c: '91', state: 'running' })).toBeUndefined()
  })
})

describe('a name that a macro gives to the items of a list', () => {
  test.each([
    ['items.all(i, i > 3)', ['items'], true],
    ['items.exists(i, i > limit)', ['items', 'limit'], true],
    ['items.exists_one(i, i > limit)', ['items', 'limit'], true],
    ['items.map(i, i * 2).exists(j, j > 11)', ['items'], true],
    ['items.filter(i, i > 4).size() == 2', ['items'], true],
    ['motors.exists(m, has(m.temp_c) && m.temp_c > 80)', ['motors'], true],
    ['items.all(i, motors.exists(m, m.temp_c > i))', ['items', 'motors'], true],
    ['cel.bind(twice, limit * 2, twice > 9)', ['limit'], true],
    // The same name outside is a field.
    ['items.all(limit, limit > 3) && limit > 5', ['items', 'limit'], false],
    ['cel.bind(limit, limit + 1, limit == 6)', ['limit'], true],
  ])('counted as a field that no record had, so that %s said nothing', (text, fields, holds) => {
    const condition = compileExpression(text, 'record', 'truth')
    expect(condition.fields).toEqual(fields)
    expect(condition.ofRecord({ items: [4, 5, 6], limit: 5, motors: [{}, { temp_c: 90 }] })).toBe(holds)
  })

  test('says nothing where the list itself is missing', () => {
    expect(compileExpression('items.all(i, i > 3)', 'record', 'truth').ofRecord({ i: 4 })).toBeUndefined()
  })

  test('is one in a window too, and no aggregate is asked of it', () => {
    const compared = compileExpression('[80, 90].exists(i, avg(oil_c) > i)', 'window', 'truth')
    expect(compared.fields).toEqual(['oil_c'])
    expect(compared.ofRows(PLAN, rowsOf())).toBe(true)
    expect(errorOf('[80, 90].exists(i, avg(i) > 3)')).toMatchObject({
      offset: 23,
      message: expect.stringContaining('avg() is asked of a field'),
    })
  })
})

test.each([
  ['avg(oil_c) >', 12, 'EOF'],
  ['max(bar) > 3 && mean(oil_c) > 3', 16, 'mean'],
  ['avg(oil_c)', 0, 'not true or false'],
  ['1 < 2', 0, 'names no field'],
  ['avg(a) > 1 && oil_c > 90', 14, 'say which is meant'],
  ['avg(a) > 1 && avg(3) > 90', 18, 'by its name'],
  ['percentile(a, 101) > 1', 14, 'from 0 to 100'],
  ['avg(a) > 3 &&& 4', 13, '&'],
])('%s is refused at %i', (text, offset, reason) => {
  const error = errorOf(text)
  expect(error.code).toBe('config_invalid')
  expect(error.message).toContain(reason)
  expect(error.offset).toBe(offset)
})

test('an aggregate of a record is refused where it stands', () => {
  const error = errorOf('oil_c > 3 && avg(oil_c) > 90', 'record')
  expect([error.offset, error.message]).toEqual([13, 'avg() needs a window, and there is none'])
})

test('an expression that no person wrote is refused by its length', () => {
  expect(errorOf(`avg(x) > ${'1'.repeat(3_000)}`).message).toContain('characters')
})

test.each([
  ['a > 1', [0, 1, 1.5, 2]],
  ['a * 2 + 1 >= b / 4', [0, 1, 1.5, -3]],
  ['!(a == 1) && b != 2 || a < -1', [0, 1, 2, -1.5]],
  ['a > 1 ? b > 1 : b < 1', [0, 1, 2]],
])('%s is the same with numbers as the library says it is', (text, values) => {
  const fast = compileExpression(text, 'record', 'truth')
  // Text beside the numbers takes the long way.
  const slow = compileExpression(`(${text}) && word != "no"`, 'record', 'truth')
  for (const a of values) for (const b of values) expect(fast.ofRecord({ a, b })).toBe(slow.ofRecord({ a, b, word: 'yes' }))
})

test.each([
  'avg(a) > 1',
  'last(a) * 2 + 1 >= max(b) / 4',
  '!(first(a) == 1) && min(b) != 2 || rate(a) < -1',
  'records() * 1.0 > count(b) + count(none)',
  'sum(none) == 0 && stddev(a) <= percentile(b, 95)',
  'delta(a) / stddev(b) > 0',
  'median(b) >= percentile(a, 5.5)',
])('%s is the same of a window as the library says it is', text => {
  const plan = { names: ['b', 'none', 'a'], quantiles: [true, false, true], words: [true, true, true] }
  const fast = compileExpression(text, 'window', 'truth')
  // Text beside the numbers takes the long way.
  const slow = compileExpression(`(${text}) && "yes" != "no"`, 'window', 'truth')
  const numbers = [0, 1, 1.5, -3]
  for (const a of numbers) {
    for (const b of numbers) {
      const rows = new Rows(plan)
      rows.addFields({ a, b: 1 }, 1_000)
      rows.addFields({ a: 1, b }, 3_000)
      const said = fast.ofRows(plan, rows)
      expect(said).toBeTypeOf('boolean')
      expect(said).toBe(slow.ofRows(plan, rows))
    }
  }
})
