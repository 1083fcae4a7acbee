import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fieldsOfSource } from '../../src/cli/edge-sources.ts'
import { kindOf } from '../../src/config/kind-of.ts'
import { loadPipelines } from '../../src/config/load.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-paths-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** The source of a pipeline file that lies in `folder`, wherever this process was started. */
function load(source: string) {
  const file = join(folder, 'pipeline.yaml')
  writeFileSync(file, `pipeline: plant\nsources:\n  a: ${source}\n`)
  const config = loadPipelines([file])[0]?.config.sources['a']
  if (!config) throw new Error('no source')
  return config
}

test.each([
  ['{ file: { path: in/lines.txt } }', { path: 'in/lines.txt' }],
  ['{ directory: { path: in, afterwards: move, move_to: ../done } }', { path: 'in', move_to: '../done' }],
  ['{ serial: { path: ports/boiler } }', { path: 'ports/boiler' }],
  ['{ generator: { payload_file: lines.txt } }', { payload_file: 'lines.txt' }],
  ['{ http: { url: "http://h/", bearer_file: token } }', { bearer_file: 'token' }],
  ['{ exec: { command: [./read.sh] } }', { folder: '.' }],
  ['{ exec: { command: [./read.sh], folder: scripts } }', { folder: 'scripts' }],
  ['{ unix: { listen: socket } }', { listen: 'socket' }],
  ['{ mqtt: { url: "mqtts://h", topics: [a], password_file: secret } }', { password_file: 'secret' }],
  ['{ webhook: { listen: "127.0.0.1:1", bearer_file: secret } }', { bearer_file: 'secret' }],
])('%s: from where the file lies', (source, paths) => {
  const { options } = kindOf(load(source))
  const whole = Object.entries(paths).map(([name, path]) => [name, join(folder, path).replace(/\/$/, '')])
  expect(options).toMatchObject(Object.fromEntries(whole))
})

test('files of TLS too, and whole paths stay as they are', () => {
  const mqtt = kindOf(load('{ mqtt: { url: "mqtts://h", topics: [a], tls: { ca: ca.pem, cert: gw.pem, key: /etc/key.pem } } }'))
  expect(mqtt.options).toMatchObject({ tls: { ca: join(folder, 'ca.pem'), cert: join(folder, 'gw.pem'), key: '/etc/key.pem' } })
  const webhook = kindOf(load('{ webhook: { listen: "127.0.0.1:1", tls: { cert: ca.pem, key: key.pem } } }'))
  expect(webhook.options).toMatchObject({ tls: { cert: join(folder, 'ca.pem'), key: join(folder, 'key.pem') } })
  expect(kindOf(load('{ mqtt: { url: "mqtt://h", topics: [a] } }')).options).not.toHaveProperty('tls')
})

test('a register map of your own, which is looked for there; one that is not there is said at its place', () => {
  mkdirSync(join(folder, 'maps'))
  const map = 'device: a meter\nsource: made for this test\nregisters:\n  - { name: flow, address: 1, type: u16, unit: l/h }\n'
  writeFileSync(join(folder, 'maps', 'meter.yaml'), map)
  expect(fieldsOfSource(load('{ modbus: { tcp: "h:502", device: maps/meter.yaml } }'))).toEqual({
    flow: { type: 'number', unit: 'l/h' },
  })
  expect(() => load('{ modbus: { tcp: "h:502", device: maps/none.yaml } }')).toThrow(
    /pipeline\.yaml:3:40: the device profile .*maps\/none\.yaml cannot be used/,
  )
})

test('a socket whose whole path the kernel would cut off is refused where it is written', () => {
  expect(() => load(`{ unix: { listen: ${'x'.repeat(100)} } }`)).toThrow(/pipeline\.yaml:3:24: is too long for a socket/)
})
