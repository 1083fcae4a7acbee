import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dial } from '../../src/amqp/dial.ts'
import { alertSinks } from '../../src/cli/analysers.ts'
import { loadPipelines } from '../../src/config/load.ts'
import { deps } from '../amqp/ends.ts'
import { Artemis, PASSWORD } from '../support/artemis/artemis.ts'

const ALERT = { key: 'plant.hot:a/b:1000:raised', analyser: 'hot', json: '{"state":"raised"}', timeMs: 1_000 }
/** The one address to which the shipped configuration lets this user send. */
const ADDRESS = 'headrace.in.plant-a-1'
/** Artemis starts twice in it. */
const LIMIT_MS = 120_000

test(
  'an alert goes to Artemis with user and password, survives its restart, and goes nowhere with a wrong password',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-alerts-'))
    const artemis = await Artemis.create()
    try {
      await artemis.start()
      writeFileSync(join(folder, 'password'), `${PASSWORD}\n`)
      writeFileSync(join(folder, 'wrong'), 'guessed\n')
      const sinkWith = (file: string) => {
        const path = join(folder, `${file}.yaml`)
        const amqp = `{ address: "${artemis.url}/${ADDRESS}", username: plant-a-1, password_file: ${file} }`
        writeFileSync(path, `pipeline: plant\nanalysers:\n  hot: { when: "c > 90", alert: { amqp: ${amqp} } }\n`)
        const [sink] = alertSinks(loadPipelines([path]), { clock: deps.clock, logger: deps.log, name: 'core' }).values()
        if (!sink) throw new Error('the pipeline has no alert')
        return sink
      }
      await expect(sinkWith('wrong').deliver(ALERT)).rejects.toMatchObject({ code: 'link_refused' })
      const sink = sinkWith('password')
      await sink.deliver(ALERT)
      sink.close?.()
      await artemis.kill9()
      await artemis.start()

      const connection = await dial({
        ...{ url: artemis.url, containerId: 'receiver', ...deps },
        user: { name: 'headrace-core', password: PASSWORD },
      })
      const { promise: delivered, resolve } = Promise.withResolvers<readonly [string, unknown]>()
      const receiver = await connection.openReceiver({
        address: ADDRESS,
        capabilities: ['queue'],
        timeoutMs: 10_000,
        onDelivery: delivery => {
          delivery.accept()
          resolve([delivery.message.body.toString(), delivery.message.properties['key']])
        },
      })
      receiver.grant(1)
      expect(await delivered).toEqual([ALERT.json, ALERT.key])
      connection.destroy()
    } finally {
      await artemis.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  },
  LIMIT_MS,
)
