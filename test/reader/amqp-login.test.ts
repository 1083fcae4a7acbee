import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { listen } from '../../src/amqp/listen.ts'
import { alertSinks } from '../../src/cli/analysers.ts'
import { loadPipelines } from '../../src/config/load.ts'
import type { AlertSink } from '../../src/reader/realtime/alert-sink.ts'
import { closers, deps } from '../amqp/ends.ts'
import { TestAuthority } from '../support/certificates.ts'

const ALERT = { key: 'plant.hot:a/b:1000:raised', analyser: 'hot', json: '{"state":"raised"}', timeMs: 1_000 }

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-alerts-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function pipelineWith(amqp: string): ReturnType<typeof loadPipelines> {
  const file = join(folder, 'p.yaml')
  writeFileSync(file, `pipeline: plant\nanalysers:\n  hot: { when: "c > 90", alert: { amqp: ${amqp} } }\n`)
  return loadPipelines([file])
}

function sinkOf(amqp: string): AlertSink {
  const [sink] = alertSinks(pipelineWith(amqp), { clock: deps.clock, logger: deps.log, name: 'core' }).values()
  if (!sink) throw new Error('the pipeline has no alert')
  closers.push(() => sink.close?.())
  return sink
}

test('an alert goes to a peer that wants a certificate, which lies beside the pipeline; without it, it does not', async () => {
  const authority = new TestAuthority(folder)
  const [server, client] = [authority.issue('server'), authority.issue('alerts')]
  const taken: string[] = []
  const read = (path: string) => readFileSync(path)
  const listener = await listen(
    {
      url: `amqps://127.0.0.1:${await freePort()}`,
      containerId: 'peer',
      tls: { cert: read(server.cert), key: read(server.key), ca: read(authority.ca) },
      ...deps,
    },
    {
      onConnection: () => {},
      onSenderAttach: () => ({
        onDelivery: delivery => {
          taken.push(delivery.message.body.toString())
          delivery.accept()
        },
        onReceiver: receiver => receiver.grant(10),
      }),
      onReceiverAttach: () => ({ refuse: { condition: 'amqp:not-allowed', description: 'nothing to hear' } }),
    },
  )
  closers.push(() => listener.close())
  const target = (tls: string) => `{ address: "${listener.url}/alerts", tls: { ${tls} } }`
  expect(client.cert).toBe(join(folder, 'alerts.crt'))
  await sinkOf(target('ca: ca.crt, cert: alerts.crt, key: alerts.key')).deliver(ALERT)
  expect(taken).toEqual([ALERT.json])
  await expect(sinkOf(target('ca: ca.crt')).deliver(ALERT)).rejects.toThrow()
  await expect(sinkOf(target('ca: nowhere.crt')).deliver(ALERT)).rejects.toThrow(/nowhere\.crt \(authorities\) cannot be read/)
  expect(taken).toEqual([ALERT.json])
})

test.each([
  ['"amqp://me:secret@127.0.0.1/alerts"', 'no password in it'],
  ['{ address: "amqp://127.0.0.1/alerts", username: me }', 'a log-in needs both: username and password_file'],
  ['{ address: "amqps://127.0.0.1/alerts", tls: { cert: a.pem } }', 'a certificate needs both: cert and key'],
  ['{ address: "amqp://127.0.0.1/alerts", tls: { ca: a.pem } }', 'is for amqps://'],
])('%s is refused, with what is wrong', (amqp, said) => {
  expect(() => pipelineWith(amqp)).toThrow(said)
})
