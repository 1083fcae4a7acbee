import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeFolder, makeFolderDurably } from '../../src/runtime/durable-folder.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-folder-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe.each([
  ['durably', makeFolderDurably],
  ['as it is', makeFolder],
])('a folder made %s', (_how, make) => {
  test('with those above it, and again', () => {
    make(join(folder, 'a/b/c'), 0o750)
    make(join(folder, 'a/b/c'), 0o750)
    expect(statSync(join(folder, 'a/b')).mode & 0o777).toBe(0o750)
  })

  test('by a link to one', () => {
    symlinkSync(folder, join(folder, 'link'))
    make(join(folder, 'link'))
    expect(statSync(join(folder, 'link')).isDirectory()).toBe(true)
  })

  test('where a file is, or where the file system takes none, is refused, and not tried for ever', () => {
    writeFileSync(join(folder, 'file'), '')
    expect(() => make(join(folder, 'file'))).toThrow('EEXIST')
    expect(() => make(join(folder, 'file/below'))).toThrow('ENOTDIR')
    expect(() => make('/proc/headrace/edge')).toThrow("mkdir '/proc/headrace'")
  })
})
