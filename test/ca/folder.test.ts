import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Authority } from '../../src/ca/authority.ts'
import { newKey } from '../../src/ca/certificates.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'

describe("an authority's folder", () => {
  const clock = new SimulatedClock()
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'headrace-ca-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const init = (hosts: readonly string[]) => Authority.init(join(folder, 'ca'), clock, { name: 'Plant', hosts })
  const open = async () => {
    const authority = Authority.open({ folder: join(folder, 'ca'), clock, lifeMs: 1_000_000, graceMs: 0 })
    await authority.renewServer().finally(() => authority.close())
  }

  test.each(['10.0.0.300', 'core example', '', 'core.example:5671', 'amqps://core.example'])(
    'is not made by half for a host that cannot be called: %s',
    async host => {
      await expect(init(['core.example', host])).rejects.toMatchObject({
        code: 'config_invalid',
        message: expect.stringContaining('neither a name nor an address'),
      })
      expect(existsSync(join(folder, 'ca'))).toBe(false)
      await init(['core.example'])
      await open()
    },
  )

  test('takes every host that can be called', async () => {
    await init(['core-1.example', 'localhost', '*.plant.example', 'core_a', '10.0.0.1', '::1', 'münchen.example'])
    await open()
  })

  test('whose issuing key was made anew and its certificate was not, as a power cut or half a copy leaves it, is not used', async () => {
    await init(['core.example'])
    writeFileSync(join(folder, 'ca', 'issuing.key'), await newKey())
    await expect(open()).rejects.toMatchObject({
      code: 'config_unreadable',
      message: expect.stringContaining('issuing.key does not belong to issuing.crt'),
      advice: expect.stringContaining('ca renew'),
    })
    await expect(Authority.newServer(join(folder, 'ca'), clock, ['core.example'])).rejects.toMatchObject({
      code: 'config_unreadable',
    })
  })

  test.each(['root.crt', 'issuing.crt', 'issuing.key', 'server.crt', 'server.key', 'register.db'])(
    'with a damaged %s says which file it is',
    async file => {
      await init(['core.example'])
      writeFileSync(join(folder, 'ca', file), 'half of wh'.repeat(100))
      await expect(open()).rejects.toMatchObject({
        code: 'config_unreadable',
        message: expect.stringContaining(join(folder, 'ca', file)),
        advice: expect.stringContaining('copy'),
      })
    },
  )

  test.each([
    ['init', ['issuing.crt', 'server.crt', 'server.key']],
    ['core', ['root.crt', 'server.crt']],
  ])(
    'that was made by half, as a kill or a full disk within `ca %s` leaves it, says what to do, at each command',
    async (_, missing) => {
      await init(['core.example'])
      for (const file of missing) rmSync(join(folder, 'ca', file))
      const half = {
        message: `${join(folder, 'ca')} holds half an authority: it lacks ${missing.join(', ')}`,
        advice: expect.stringContaining('delete the folder'),
      }
      await expect(init(['core.example'])).rejects.toMatchObject({ code: 'config_invalid', ...half })
      await expect(open()).rejects.toMatchObject({ code: 'config_unreadable', ...half })
    },
  )
})
