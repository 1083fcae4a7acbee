import { mkdirSync, mkdtempSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { checkDisk } from '../../src/doctor/checks/disk.ts'

const GIB = 2 ** 30

let state: string
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'headrace-disk-'))
})
afterEach(() => rmSync(state, { recursive: true, force: true }))

/** A GiB more than is free now. */
function moreThanIsFree(): number {
  const { bavail, bsize } = statfsSync(state)
  return bavail * bsize + GIB
}
const aboutRoom = (quotaBytes: number) => checkDisk(state, quotaBytes)[0]

test('a buffer that has most of its quota already needs room for the rest alone', () => {
  mkdirSync(join(state, 'edge'))
  // Sparse: they take nothing of what is free.
  for (const [name, bytes] of [
    ['buffer.db', GIB / 2],
    ['blocks.dat', GIB],
  ] as const) {
    const file = join(state, 'edge', name)
    writeFileSync(file, '')
    truncateSync(file, bytes)
  }
  expect(aboutRoom(moreThanIsFree())?.severity).not.toBe('error')
})

test('a buffer that is empty needs all of it', () => {
  expect(aboutRoom(moreThanIsFree())).toMatchObject({
    severity: 'error',
    message: expect.stringContaining('the buffer may take'),
  })
})
