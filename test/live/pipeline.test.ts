import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { freePort } from '../../hardware/simulators/free-port.ts'
import { KafkaCluster } from '../support/kafka/cluster.ts'
import { GATEWAY, PlantUnderTest } from './plant.ts'

const GENERATED = 500

interface Offsets {
  readonly source: string
  readonly offset: number
  readonly end: number
  readonly lag: number
}

/** The same run of a plant on each engine: from the device's wire to the batch job's input and the alert's receivers. */
describe.each(['sqlite', 'kafka'] as const)('from the wire to the readers, on %s', engine => {
  let plant: PlantUnderTest
  let webhook: Server
  const posted: { key: string; body: { analyser: string; state: string } }[] = []
  let refusals = 2
  const topic = `plant-${engine}`

  beforeAll(async () => {
    const port = await freePort()
    webhook = createServer((request, response) => {
      let body = ''
      request.on('data', chunk => (body += chunk))
      request.on('end', () => {
        // A receiver that is not well at first has to be tried again.
        if (refusals-- > 0) return response.writeHead(500).end()
        posted.push({ key: String(request.headers['idempotency-key']), body: JSON.parse(body) })
        return response.writeHead(204).end()
      })
    })
    await new Promise<void>(resolve => webhook.listen(port, '127.0.0.1', resolve))
    plant = await PlantUnderTest.create({
      topic,
      log: engine === 'kafka' ? `{ kafka: { brokers: ["${inject('kafkaBootstrap')}"] } }` : '{ sqlite: {} }',
      pipeline: `sources:
  boiler:
    serial: { path: $PORT, baud: 115200 }
    frame: { delimiter: "\\r\\n" }
    decode: { csv: [temp_c, bar] }
  counter:
    generator: { records_per_second: 0, count: ${GENERATED} }
batch:
  load: { input: ndjson, run: [sh, -c, 'cat > $DIR/out/$HEADRACE_RUN_ID && test ! -e $DIR/refuse'] }
  sheet: { input: csv, sources: [boiler], run: [sh, -c, 'cat > $DIR/sheet.csv'] }
  bytes: { input: raw, sources: [counter], run: [sh, -c, 'cat > $DIR/bytes.raw'] }
analysers:
  too-hot:
    sources: [boiler]
    every: 200ms
    when: max(temp_c) > 90
    clear_when: max(temp_c) < 80
    alert:
      command: [sh, -c, 'cat >> $DIR/alerts && echo >> $DIR/alerts']
      webhook: http://127.0.0.1:${port}/hook
      topic: ${topic}-alerts
`,
    })
    plant.core.start()
    plant.edge.start()
  })

  afterAll(async () => {
    await plant?.end()
    await new Promise(resolve => webhook?.close(resolve))
  })

  test('what the device says and what was generated is in the log', async () => {
    await plant.until(
      'the port is read',
      async () => (await plant.edgeStatus())?.sources.find(({ source }) => source === 'boiler')?.state === 'reading',
    )
    for (let line = 0; line < 20; line++) plant.device.write(`${60 + line / 10},1.5\r\n`)
    await plant.until('all is settled', async () => {
      const sources = (await plant.edgeStatus())?.sources
      return (
        sources?.find(({ source }) => source === 'boiler')?.settled === 20 &&
        sources.find(({ source }) => source === 'counter')?.settled === GENERATED
      )
    })
    const { sources } = (await plant.coreStatus()) ?? {}
    expect(sources?.map(({ source, next }) => [source, next]).sort()).toEqual([
      [`${GATEWAY}/boiler`, 20],
      [`${GATEWAY}/counter`, GENERATED],
    ])
  })

  test('tail shows the latest, in order', async () => {
    expect(await plant.tail('boiler', 3)).toMatchObject([
      { seq: 17, value: { temp_c: 61.7, bar: 1.5 } },
      { seq: 18, value: { temp_c: 61.8, bar: 1.5 } },
      { seq: 19, value: { temp_c: 61.9, bar: 1.5 } },
    ])
  })

  test('a run that fails moves nothing, and is the same run when it is run again', async () => {
    writeFileSync(plant.path('refuse'), '')
    const failed = await plant.command('batch', 'run', 'load', '--json')
    expect(failed.code).toBe(1)
    const { run } = JSON.parse(failed.stdout)
    expect(run).toMatchObject({ state: 'failed', exit_code: 1 })
    expect((await plant.json<Offsets[]>('batch', 'offsets', 'load')).map(({ offset }) => offset)).toEqual([0, 0])

    rmSync(plant.path('refuse'))
    const again = await plant.json<{ outcome: string; run: { id: string; records: number } }>('batch', 'run', 'load')
    expect(again).toMatchObject({ outcome: 'done', run: { id: run.id, records: 20 + GENERATED } })
    expect((await plant.json<Offsets[]>('batch', 'offsets', 'load')).map(({ lag }) => lag)).toEqual([0, 0])
    const lines = plant
      .read(`out/${run.id}`)
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const seen = lines.map(({ source, seq }) => `${source}#${seq}`)
    expect(new Set(seen).size).toBe(20 + GENERATED)
    expect(lines.filter(({ source }) => source === 'counter').map(({ seq }) => seq)).toEqual(
      Array.from({ length: GENERATED }, (_, index) => index),
    )
    expect(lines.find(({ source, seq }) => source === 'boiler' && seq === 5)).toMatchObject({
      gateway: GATEWAY,
      value: { temp_c: 60.5 },
    })
  })

  test('csv comes with a header, raw by line', async () => {
    expect((await plant.command('batch', 'run', 'sheet')).code).toBe(0)
    const [header, first] = plant.read('sheet.csv').split(/\r?\n/)
    expect(header?.split(',')).toEqual(expect.arrayContaining(['temp_c', 'bar']))
    expect(first?.split(',').length).toBe(header?.split(',').length)
    expect((await plant.command('batch', 'run', 'bytes')).code).toBe(0)
    expect(
      plant
        .read('bytes.raw')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line).n),
    ).toEqual(Array.from({ length: GENERATED }, (_, index) => index))
  })

  test('nothing new: no run, and exit code 0', async () => {
    const { code, stdout } = await plant.command('batch', 'run', 'load')
    expect([code, stdout]).toEqual([0, 'Nothing new to read.\n'])
    expect(readdirSync(plant.path('out')).length).toBe(1)
  })

  test('an alert reaches the command, the webhook after its refusals, and the topic, each once', async () => {
    for (let line = 0; line < 10; line++) {
      plant.device.write('95,1.6\r\n')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    await plant.until('the webhook has it', () => posted.some(({ body }) => body.state === 'raised'))
    await plant.until('the command has it', () => existsSync(plant.path('alerts')) && plant.read('alerts').includes('raised'))
    for (let line = 0; line < 10; line++) {
      plant.device.write('70,1.5\r\n')
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    await plant.until('it is over', () => posted.some(({ body }) => body.state === 'cleared'))
    await plant.until('the command knows', () => plant.read('alerts').includes('cleared'))
    expect(posted.map(({ body }) => body.state)).toEqual(['raised', 'cleared'])
    expect(new Set(posted.map(({ key }) => key)).size).toBe(2)
    const commanded = plant
      .read('alerts')
      .trim()
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line))
    expect(commanded.map(({ state }) => state)).toEqual(['raised', 'cleared'])
    await plant.until(
      'the topic has both',
      async () => (await plant.coreStatus())?.sources.find(each => each.topic === `${topic}-alerts`)?.next === 2,
    )
  })

  test('killed -9 and started again, both go on where they were', async () => {
    await plant.edge.kill9()
    await plant.core.kill9()
    plant.core.start()
    plant.edge.start()
    await plant.until(
      'the port is read',
      async () => (await plant.edgeStatus())?.sources.find(({ source }) => source === 'boiler')?.state === 'reading',
    )
    for (let line = 0; line < 5; line++) plant.device.write(`50,${line}\r\n`)
    const before = 40
    await plant.until(
      'they are there',
      async () => (await plant.coreStatus())?.sources.find(({ source }) => source.endsWith('/boiler'))?.next === before + 5,
    )
    const { run } = await plant.json<{ run: { id: string; records: number } }>('batch', 'run', 'load')
    const boiler = plant
      .read(`out/${run.id}`)
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
      .filter(({ source }) => source === 'boiler')
    expect(boiler.map(({ seq }) => seq)).toEqual(Array.from({ length: 25 }, (_, index) => 20 + index))
    expect(boiler.slice(-5).map(({ value }) => value.bar)).toEqual([0, 1, 2, 3, 4])
  })

  test('ends in order when it is asked to', async () => {
    expect(await plant.edge.stop()).toBe(0)
    expect(await plant.core.stop()).toBe(0)
  })

  if (engine === 'kafka') {
    test("Kafka's own tools see partition, key, headers and time, and the job's group without lag", async () => {
      const kafka = await KafkaCluster.at(inject('kafkaBootstrap'))
      const properties = ['print.key', 'print.headers', 'print.offset'].flatMap(name => ['--formatter-property', `${name}=true`])
      const { stdout } = await kafka.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
        ...[
          '--bootstrap-server',
          kafka.bootstrap,
          '--topic',
          topic,
          '--from-beginning',
          '--max-messages',
          String(45 + GENERATED),
        ],
        ...['--timeout-ms', '20000', ...properties],
      ])
      const boiler = stdout.split('\n').filter(line => line.includes(`${GATEWAY}/boiler`))
      expect(boiler.length).toBe(45)
      expect(boiler[0]).toBe(`Offset:0\tseq:0\t${GATEWAY}/boiler\t{"temp_c":60,"bar":1.5}`)
      const groups = await kafka.tool('org.apache.kafka.tools.consumer.group.ConsumerGroupCommand', [
        ...['--bootstrap-server', kafka.bootstrap, '--describe', '--group', `headrace.${topic}.load`],
      ])
      const lags = groups.stdout
        .split('\n')
        .filter(line => line.includes(topic) && !line.startsWith('GROUP'))
        .map(line => line.trim().split(/\s+/))
      expect(
        lags.map(fields => fields[5]),
        groups.stdout + groups.stderr,
      ).toEqual(['0', '0'])
      const view = await kafka.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
        ...['--bootstrap-server', kafka.bootstrap, '--topic', 'headrace.sources', '--from-beginning', '--timeout-ms', '5000'],
        ...['--formatter-property', 'print.key=true'],
      ])
      const line = view.stdout.split('\n').findLast(each => each.startsWith(`${GATEWAY}/boiler\t`)) ?? ''
      expect(JSON.parse(line.split('\t')[1] ?? '{}')).toMatchObject({
        gateway: GATEWAY,
        topic,
        epoch: 0,
        partition: expect.any(Number),
      })
      await kafka.stop()
    })
  }
})
