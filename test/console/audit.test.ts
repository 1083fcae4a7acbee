import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { AuditLog } from '../../src/console/audit.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-audit-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const at = {
  time: '2026-11-29T00:00:00.000Z',
  user: 'operator',
  address: '127.0.0.1',
  what: 'POST /api/sources/a/retire',
  status: 200,
}

test.each(['password', 'Token', 'secret', 'AUTHORIZATION'])('a %s that was sent with a change is not kept, however deep', key => {
  const path = join(folder, 'log.ndjson')
  const log = new AuditLog(path)
  log.write({ ...at, given: { source: 'a', [key]: 'geheim7Q', deeper: { list: [{ [key]: 'geheim7Q' }] } } })
  expect(readFileSync(path, 'utf8')).not.toContain('geheim7Q')
  expect(log.latest()).toEqual([{ ...at, given: { source: 'a', [key]: '***', deeper: { list: [{ [key]: '***' }] } } }])
})

test('what is no secret is kept as it was given', () => {
  const log = new AuditLog(join(folder, 'log.ndjson'))
  log.write({ ...at, given: { source: 'a', reason: 'the password was changed' } })
  expect(log.latest()[0]?.given).toEqual({ source: 'a', reason: 'the password was changed' })
})

test('a line that a power cut left half written is passed over, and the latest comes first', () => {
  const path = join(folder, 'log.ndjson')
  const log = new AuditLog(path)
  for (const what of ['first', 'second', 'cut']) log.write({ ...at, what })
  truncateSync(path, statSync(path).size - 10)
  expect(log.latest().map(({ what }) => what)).toEqual(['second', 'first'])
})
