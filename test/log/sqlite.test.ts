import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openSqliteLog } from '../../src/log/sqlite/sqlite-log.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { describeLog } from './conformance.ts'

describeLog('SQLite', { proofsExpire: false, tellsRepeats: true }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  return {
    open: () => openSqliteLog({ path: join(folder, 'log.db'), clock: systemClock }),
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
})

test('a file that is no database is refused with its name and what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-log-'))
  const path = join(folder, 'log.db')
  writeFileSync(path, 'these are not the pages of a database, however long one looks at them')
  await expect(openSqliteLog({ path, clock: systemClock })).rejects.toMatchObject({
    code: 'log_unavailable',
    message: expect.stringContaining(path),
    advice: expect.stringContaining('backup'),
  })
  rmSync(folder, { recursive: true, force: true })
})
