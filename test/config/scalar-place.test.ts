import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError } from '../../src/config/errors.ts'
import { loadPipelines } from '../../src/config/load.ts'

/** Each has one wrong word, `mean`; the error has to point at it, however YAML was written. */
const WAYS = {
  'in double quotes': 'when: "avg(a) > 1 && mean(b) > 2"',
  'in double quotes with escapes': 'when: "avg(a) \\u003e 1 \\x26\\x26\\tmean(b) > 2"',
  'in single quotes': "when: 'avg(a) > 1 && mean(b) > 2'",
  'in single quotes with a quote in it': "when: 'count(a) > 1 || ''x'' == ''y'' || mean(b) > 2'",
  plain: 'when: avg(a) > 1 && mean(b) > 2',
  'plain over two lines': 'when: avg(a) > 1 &&\n      mean(b) > 2',
  'a folded block': 'when: >\n      avg(a) > 1\n      && mean(b) > 2\n',
  'a literal block': 'when: |\n\n      avg(a) > 1 &&\n      mean(b) > 2\n',
  'double quotes over lines': 'when: "avg(a) > 1\n\n      && mean(b) > 2"',
}

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-place-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

test.each(Object.entries(WAYS))('an expression %s is told where it is wrong', (_way, text) => {
  const file = join(folder, 'p.yaml')
  const yaml = `pipeline: p\nanalysers:\n  hot:\n    every: 1m\n    ${text}\n`
  writeFileSync(file, yaml)
  let issues: ConfigError['issues'] = []
  try {
    loadPipelines([file])
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    issues = error.issues
  }
  const before = yaml.slice(0, yaml.indexOf('mean'))
  const line = before.split('\n').length
  expect(issues.map(issue => [issue.line, issue.column])).toEqual([[line, before.length - before.lastIndexOf('\n')]])
})
