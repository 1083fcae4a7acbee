import { describe, expect, test } from 'vitest'
import { compileCondition } from '../../src/analyser/condition.ts'
import { FieldWindow } from '../../src/analyser/field-window.ts'
import { HeadraceError } from '../../src/runtime/errors.ts'

function windowOf(...values: number[]): FieldWindow {
  const window = new FieldWindow()
  for (const value of values) window.add(value)
  return window
}

function errorOf(text: string): HeadraceError {
  try {
    compileCondition(text)
  } catch (error) {
    if (error instanceof HeadraceError) return error
  }
  throw new Error(`"${text}" was taken`)
}

describe('a condition', () => {
  const windows = new Map([
    ['oil_c', windowOf(88, 92, 96)],
    ['bar', windowOf(7)],
  ])

  test.each([
    ['avg(oil_c) > 90', true],
    ['avg(oil_c) > 92', false],
    ['max(oil_c) - min(oil_c) == 8.0', true],
    ['avg(oil_c) + 1 > 92', true],
    ['2 * avg(bar) < 15', true],
    ['last(oil_c) > first(oil_c) && count(bar) == 1', true],
    ['delta(oil_c) > 7.9 && !(sum(bar) > 7)', true],
    ['stddev(oil_c) == 4', true],
  ])('%s is %s', (text, holds) => {
    expect(compileCondition(text).holds(windows)).toBe(holds)
  })

  test('says nothing of a window in which a field has no value', () => {
    expect(compileCondition('avg(oil_c) < 1000').holds(new Map())).toBe(false)
  })

  test('gives each aggregate that it names, once', () => {
    expect(compileCondition('avg(oil_c) > 90 || avg(oil_c) < max(bar)').values(windows)).toEqual({
      'avg(oil_c)': 92,
      'max(bar)': 7,
    })
  })

  test.each([
    ['avg(oil_c) >', 'at character 13'],
    ['mean(oil_c) > 3', 'mean'],
    ['avg(oil_c)', 'not true or false'],
    ['1 < 2', 'names no field'],
    [`avg(x) > ${'1'.repeat(3_000)}`, 'characters'],
  ])('%s is refused with its place or reason', (text, reason) => {
    const error = errorOf(text)
    expect(error.code).toBe('config_invalid')
    expect(error.message).toContain(reason)
  })
})

test('an empty window survives being kept and brought back', () => {
  const restored = FieldWindow.restore(JSON.parse(JSON.stringify(new FieldWindow().snapshot())))
  restored.add(-5)
  expect([restored.min, restored.max, restored.avg, restored.count]).toEqual([-5, -5, -5, 1])
})

test('large values that vary little keep their deviation', () => {
  expect(windowOf(1e9 + 1, 1e9 + 2, 1e9 + 3).stddev).toBeCloseTo(1, 9)
})
