import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadCore, loadEdge, loadPipelines } from '../../src/config/load.ts'
import { WRONG_CORES, WRONG_EDGES, WRONG_PIPELINES, type WrongFile } from './wrong-files.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** What is said of a file, without its name. */
function saidOf(name: string, text: string, load: (path: string) => unknown): string[] {
  const path = join(folder, name)
  writeFileSync(path, text)
  try {
    load(path)
    return []
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    expect(code).toBe('config_invalid')
    return message.split('\n').map(line => {
      expect(line.startsWith(`${path}:`)).toBe(true)
      return line.slice(path.length + 1).replaceAll(path, 'FILE')
    })
  }
}

describe.each([
  ['a pipeline', 'pipeline.yaml', WRONG_PIPELINES, (path: string) => loadPipelines([path])],
  ['edge.yaml', 'edge.yaml', WRONG_EDGES, loadEdge],
  ['core.yaml', 'core.yaml', WRONG_CORES, loadCore],
] as const)('%s', (_what, name, wrong, load) => {
  test.each(wrong as readonly WrongFile[])('$what', ({ text, said }) => {
    expect(saidOf(name, text, load)).toEqual(said)
  })
})

test('a file that is huge is refused before it is read', () => {
  expect(saidOf('huge.yaml', `pipeline: plant\n# ${'x'.repeat(5_000_000)}\n`, path => loadPipelines([path]))).toEqual([
    expect.stringMatching(/^1:1: .*(large|bytes)/),
  ])
})

test('two pipelines are looked at together: a name, a source and a port that they share', () => {
  const text = 'pipeline: plant\nsources:\n  pump-1: { serial: { path: /dev/ttyS0 } }\n'
  const [one, two] = [join(folder, 'one.yaml'), join(folder, 'two.yaml')]
  writeFileSync(one, text)
  writeFileSync(two, text)
  expect(() => loadPipelines([one, two])).toThrow(
    [
      `${two}:1:11: pipeline "plant" is in ${one} already`,
      `${two}:3:3: a source "pump-1" is in ${one} already; a gateway's sources have different names`,
      `${two}:3:13: /dev/ttyS0 is read by "pump-1" in ${one} already`,
    ].join('\n'),
  )
})

test('a file that is not there, and a folder in the place of one', () => {
  expect(() => loadPipelines([join(folder, 'none.yaml')])).toThrow(/none\.yaml/)
  expect(() => loadPipelines([folder])).toThrow(new RegExp(folder))
})
