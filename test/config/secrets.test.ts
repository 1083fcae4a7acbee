import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigDocument } from '../../src/config/document.ts'
import { edgeSchema } from '../../src/config/edge.ts'
import { Alarms } from '../../src/runtime/alarms.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { messageOf } from '../../src/runtime/errors.ts'
import { hideSecrets } from '../../src/runtime/hide-secrets.ts'

const MARK = 'geheim7Q'
const folder = mkdtempSync(join(tmpdir(), 'headrace-secrets-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What is said of an edge.yaml with this uplink. */
function saidOf(uplink: string): string {
  const path = join(folder, 'edge.yaml')
  writeFileSync(path, `gateway: g\nstate: /x\npipelines: [a.yaml]\nuplink: ${uplink}\n`)
  try {
    ConfigDocument.read(path).as(edgeSchema)
    return ''
  } catch (error) {
    return messageOf(error)
  }
}

describe('a secret in the configuration is not repeated in what is wrong with it', () => {
  test.each([
    ['a password in an address that is wrong', `{ url: "amqps://u:${MARK}@core/path" }`],
    ['a password in an address', `{ url: "amqps://u:${MARK}@core" }`],
    ['a password in the place of its file', `{ url: "amqp://core", sasl: { username: u, password: "${MARK}" } }`],
    ['a password in a list', `{ url: "amqp://core", sasl: { username: u, password_file: ["${MARK}"] } }`],
    ['a mapping with a password in it, in the wrong place', `[{ sasl: { password: "${MARK}" } }]`],
    ['a quote that is not closed', `{ url: "amqp://core", sasl: { username: u, password: "${MARK} }`],
    ['a line that does not belong there', `{ url: "amqp://core" }\n  password: ${MARK}: x`],
  ])('%s', (_, uplink) => {
    const said = saidOf(uplink)
    expect(said).not.toBe('')
    expect(said).not.toContain(MARK)
  })

  test('but what is no secret is', () => {
    expect(saidOf('{ url: "amqp:/core" }')).toContain('url is not an AMQP address')
    expect(saidOf('{ url: "amqp://core", mode: rooter }')).toContain('"rooter"')
  })
})

test('what people read has neither passwords of addresses nor tokens in it', () => {
  expect(hideSecrets(`connect mqtt://user:${MARK}@host:1883 failed`)).toBe('connect mqtt://…@host:1883 failed')
  expect(hideSecrets(`amqp://u:${MARK}@x@host/a@b`)).toBe('amqp://…@host/a@b')
  expect(hideSecrets('to someone@example.org at https://host/a@b')).toBe('to someone@example.org at https://host/a@b')
  // Services take their keys there.
  expect(hideSecrets(`http://host/x?key=${MARK}&q=1: connect ECONNREFUSED`)).toBe('http://host/x?…: connect ECONNREFUSED')
  expect(hideSecrets(`{"url":"https://u:${MARK}@host?k=${MARK}","msg":"is it?"}`)).toBe(
    '{"url":"https://…@host?…","msg":"is it?"}',
  )
  expect(hideSecrets('is https://host/x there? yes')).toBe('is https://host/x there? yes')
  expect(hideSecrets(`error: hr1.${MARK}_-x is none`)).toBe('error: hr1.… is none')
  const alarms = new Alarms(systemClock)
  alarms.raise('x', { message: `http://u:${MARK}@host does not answer`, advice: '' })
  expect(JSON.stringify(alarms.list())).not.toContain(MARK)
})
