import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { formatIssue } from '../../src/config/errors.ts'
import { idleGlobs } from '../../src/config/idle-globs.ts'
import { loadPipelines } from '../../src/config/load.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-globs-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function remarks(...texts: readonly string[]): string[] {
  const files = texts.map((text, index) => {
    const file = join(folder, `${index}.yaml`)
    writeFileSync(file, text)
    return file
  })
  return idleGlobs(loadPipelines(files)).map(each => formatIssue(each).replace(`${folder}/`, ''))
}

const SOURCES = 'pipeline: plant\nsources: { compressor-1: { generator: {} } }\n'
const job = (globs: string) => `batch: { load: { sources: ${globs}, run: [./load.sh] } }\n`

test('a glob that fits no source is remarked upon, with the one that was most likely meant', () => {
  expect(remarks(SOURCES + job('[compressor-*, compresor-1]'))).toEqual([
    '0.yaml:3:42: "compresor-1" fits none of the sources in these files; did you mean compressor-1?',
  ])
  expect(remarks(`${SOURCES}analysers: { quiet: { sources: [pump-*], silence: 1m } }\n`)).toEqual([
    '0.yaml:3:33: "pump-*" fits none of the sources in these files',
  ])
})

test('so is the name of a derived stream that nobody makes', () => {
  const analysers = (stream: string) =>
    `analysers:
  each: { every: 1m, values: { n: records() }, stream: { name: per-minute } }
  hour: { sources: [analysers/${stream}], every: 1h, when: "sum(n) > 1" }
`
  expect(remarks(SOURCES + analysers('per-minute'))).toEqual([])
  expect(remarks(SOURCES + analysers('per-minite'))).toEqual([
    '0.yaml:5:21: "analysers/per-minite" fits no derived stream in these files; did you mean analysers/per-minute?',
  ])
})

test('so is that of a derived stream without what makes it one, which fits no source: a job of it read nothing', () => {
  const analyser = 'analysers: { each: { every: 1m, values: { n: records() }, stream: { name: per-minute } } }\n'
  expect(remarks(SOURCES + job('[per-minute]') + analyser)).toEqual([
    '0.yaml:3:28: "per-minute" fits none of the sources in these files; did you mean analysers/per-minute?',
  ])
})

test('sources of other files with the same topic count; what names a gateway, what was retried, and files without sources are left alone', () => {
  const other = 'pipeline: other\ntopic: plant\nsources: { pump-1: { generator: {} } }\n'
  expect(remarks(SOURCES + job('[pump-?]'), other)).toEqual([])
  expect(remarks(SOURCES + job('[plant-a-1/pump-1, gone-retried]'))).toEqual([])
  expect(remarks(`pipeline: plant\n${job('[pump-1]')}`)).toEqual([])
})
