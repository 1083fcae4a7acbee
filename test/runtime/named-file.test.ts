import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readNamedFile, readPassword } from '../../src/runtime/named-file.ts'

describe('files that the configuration names', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'headrace-named-'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('are read as text', () => {
    const file = join(folder, 'cert.pem')
    writeFileSync(file, 'text\n')
    expect(readNamedFile('certificate', file)).toBe('text\n')
  })

  it.each([
    ['is not there', () => join(folder, 'none.pem'), 'there is no such file'],
    ['is a folder', () => folder, 'it is a folder'],
  ])('are told by name, use and reason where one %s', (_, file, reason) => {
    expect(() => readNamedFile('key', file())).toThrow(
      expect.objectContaining({ code: 'config_unreadable', message: `${file()} (key) cannot be read: ${reason}` }),
    )
  })

  it('give a password by their first line, whatever ends it', () => {
    const file = join(folder, 'password')
    for (const text of ['secret', 'secret\n', 'secret\r\nmore\n']) {
      writeFileSync(file, text)
      expect(readPassword(file)).toBe('secret')
    }
  })
})
