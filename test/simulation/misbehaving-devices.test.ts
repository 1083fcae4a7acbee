import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { DeviceModel } from '../../hardware/simulators/device-model.ts'
import { Mischief, type MischiefOptions, type Misdeed, WELL_BEHAVED } from '../../hardware/simulators/mischief.ts'
import { MODELS } from '../../hardware/simulators/models.ts'
import type { MischievousSimulator } from '../../hardware/simulators/simulator.ts'
import { startSimulator } from '../../hardware/simulators/start.ts'
import { SIMULATED } from '../../src/cli/commands/simulate.ts'
import type { SourceRunner } from '../../src/source/runner.ts'
import { withSerialProfile } from '../../src/source/serial-profile.ts'
import { SourceBench, type Taken } from '../source/harness.ts'
import { seedOfRun } from '../support/random.ts'
import { until } from '../support/until.ts'

const SEED = seedOfRun('misbehaving devices')
const MISDEEDS: readonly Misdeed[] = ['noise', 'drop', 'garble', 'lag', 'restart']
const PER_SECOND = 50
/** What has a checksum: what was spoilt on the way makes no reading. */
const CHECKED = new Set(['gps', 'ais', 'dsmr', 'iec62056', 'modbus-rtu', 'weather', 'rtu-over-tcp'])

/**
 * What has to be seen of a misdeed, beside that reading goes on. `counted`: trouble, or a record that is kept as it came, with the reason. `nothing`: all
 * is well, only late. `either`: it may do no harm, or cannot be told from a reading where there is no checksum.
 */
type Seen = 'counted' | 'nothing' | 'either'
const [C, N, E] = ['counted', 'nothing', 'either'] as const
const EXPECTED: Readonly<Record<string, Readonly<Record<Misdeed, Seen>>>> = {
  // A number that is garbled is a number like any other.
  line: { noise: C, drop: E, garble: E, lag: N, restart: E },
  'line-tcp': { noise: C, drop: E, garble: E, lag: N, restart: E },
  'line-unix': { noise: C, drop: E, garble: E, lag: N, restart: E },
  'line-udp': { noise: C, drop: E, garble: E, lag: N, restart: E },
  gps: { noise: C, drop: C, garble: C, lag: N, restart: E },
  ais: { noise: C, drop: C, garble: C, lag: N, restart: E },
  dsmr: { noise: C, drop: C, garble: C, lag: N, restart: E },
  // Its identification has no checksum: what of it was spoilt may be a name like any other, or ends the conversation.
  iec62056: { noise: C, drop: C, garble: C, lag: E, restart: E },
  // An answer that was spoilt is words like any other; bytes before one do no harm; one that is late is none.
  scale: { noise: E, drop: E, garble: E, lag: E, restart: E },
  weather: { noise: E, drop: C, garble: C, lag: E, restart: E },
  'modbus-rtu': { noise: E, drop: C, garble: C, lag: E, restart: E },
  'rtu-over-tcp': { noise: E, drop: C, garble: C, lag: E, restart: E },
  // TCP has its own checksum, and Modbus TCP none.
  'modbus-tcp': { noise: E, drop: E, garble: E, lag: E, restart: E },
  http: { noise: C, drop: C, garble: C, lag: E, restart: C },
  webhook: { noise: C, drop: C, garble: C, lag: N, restart: E },
  mqtt: { noise: C, drop: C, garble: C, lag: N, restart: E },
}

/** A meter that is called takes its time for each step of the conversation. */
const GIVEN_UP_AFTER: Readonly<Record<string, string>> = { iec62056: '2s' }
const RECORDS: Readonly<Record<string, number>> = { iec62056: 2 }

let folder: string
const running: Session[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-simulated-'))
})
afterEach(async () => {
  for (const session of running.splice(0)) await session.end()
  rmSync(folder, { recursive: true, force: true })
})

/** A device, and the source that its own YAML describes. */
class Session {
  readonly bench = new SourceBench()
  readonly device: MischievousSimulator
  readonly runner: SourceRunner

  private constructor(model: DeviceModel, device: MischievousSimulator, timeout: string) {
    this.device = device
    const { frame, decode, time, fields, ...kind } = withSerialProfile(parse(model.yaml(device.path))) as Record<string, object>
    const [[kindName, options] = ['', {}]] = Object.entries(kind)
    const rhythm = { every: '20ms', timeout }
    const { ask } = options as { ask?: object }
    const quick = kindName === 'modbus' ? rhythm : ask ? { ask: { ...ask, ...rhythm } } : {}
    const polled = kindName === 'http' ? { every: '50ms' } : {}
    const how = { ...(frame && { frame }), decode, ...(time && { time }) }
    this.runner = this.bench.start(kindName, { ...options, ...quick, ...polled }, how)
    running.push(this)
  }

  static async start(name: string, what: string, mischief: Partial<MischiefOptions>): Promise<Session> {
    const model = modelOf(name)
    const all = { ...WELL_BEHAVED, seed: SEED, ...mischief }
    const link = join(folder, `${name}-${what}`)
    const device = await startSimulator(model, { link, perSecond: PER_SECOND, mischief: all })
    // One that behaves well is waited for, however busy this machine is; one that does not is given up soon.
    return new Session(model, device, what === 'well' ? '30s' : (GIVEN_UP_AFTER[name] ?? '100ms'))
  }

  /** Records that were decoded. */
  get good(): Taken[] {
    return this.bench.records.filter(({ headers }) => headers['decode_error'] === undefined)
  }

  /** What was counted; a sentence without a date is no trouble. */
  get troubles(): number {
    const { trouble, decode_errors } = this.runner.status()
    const counted = Object.entries(trouble).filter(([what]) => what !== 'no event time in a record')
    return counted.reduce((sum, [, count]) => sum + count, decode_errors)
  }

  async end(): Promise<void> {
    await this.bench.end()
    await this.device.stop()
  }
}

function modelOf(name: string): DeviceModel {
  const model = MODELS.find(each => each.name === name)
  if (!model) throw new Error(`no model ${name}`)
  return model
}

/** Whether a record is one that this device can have meant. */
function isPlausible(name: string, { text }: Taken): boolean {
  const record = JSON.parse(text) as Record<string, number>
  switch (name) {
    case 'gps':
      return record['lat'] === 50.5
    case 'ais':
      return [477553000, 369190000, 338087471].includes(record['mmsi'] ?? 0)
    case 'scale':
      return (record['weight'] ?? 0) >= 25 && (record['weight'] ?? 0) <= 75
    case 'weather':
      return record['pressure_hpa'] === 1_013 && (record['wind_deg'] ?? 0) >= 10 && (record['wind_deg'] ?? 0) <= 350
    case 'dsmr':
    case 'iec62056':
      return (record['l1_voltage_v'] ?? 0) > 227 && (record['l1_voltage_v'] ?? 0) < 233
    case 'line':
    case 'line-tcp':
    case 'line-unix':
    case 'line-udp':
      return (record['discharge_bar'] ?? 0) > 11 && (record['discharge_bar'] ?? 0) < 14
    default:
      return (record['voltage_v'] ?? 0) > 227 && (record['voltage_v'] ?? 0) < 233
  }
}

/** How likely a misdeed is for a message: a device that starts anew does so about once in two seconds, however much it says. */
const MESSAGES_PER_ROUND: Readonly<Record<string, number>> = {
  gps: 2,
  ais: 4,
  http: 0.25,
  webhook: 0.5,
  'modbus-rtu': 0.5,
  weather: 0.5,
  iec62056: 0.04,
}
const likelihood = (name: string, misdeed: Misdeed) =>
  misdeed === 'restart' ? 0.5 / (PER_SECOND * (MESSAGES_PER_ROUND[name] ?? 1)) : name in RECORDS ? 0.5 : 0.2

describe.each(MODELS.map(({ name }) => name))('%s', name => {
  test('behaves well: every record is read, nothing is counted', async () => {
    const session = await Session.start(name, 'well', {})
    await until('some records', () => session.bench.records.length >= (RECORDS[name] ?? 10))
    expect(session.troubles).toBe(0)
    for (const record of session.bench.records) expect(isPlausible(name, record)).toBe(true)
  })

  test('misbehaves in each way: what it spoils is counted or kept as it came, and reading goes on', async () => {
    await Promise.all(
      MISDEEDS.map(async misdeed => {
        const session = await Session.start(name, misdeed, { [misdeed]: likelihood(name, misdeed), lagMs: 200 })
        await until(
          `${misdeed}: it has misbehaved`,
          () => session.device.misdeeds[misdeed] >= (misdeed === 'restart' ? 1 : (RECORDS[name] ?? 4)),
          60_000,
        )
        const before = session.good.length
        await until(`${misdeed}: it is read still`, () => session.good.length >= before + (RECORDS[name] ?? 5), 60_000)
        if (CHECKED.has(name)) for (const record of session.good) expect(isPlausible(name, record)).toBe(true)
        const expected = EXPECTED[name]?.[misdeed]
        if (expected === 'counted') await until(`${misdeed}: it was counted`, () => session.troubles > 0, 60_000)
        if (expected === 'nothing') expect(session.troubles).toBe(0)
      }),
    )
  })
})

test('of every device it is said what has to be seen of each misdeed, and the command knows them all', () => {
  const names = MODELS.map(({ name }) => name)
  expect(Object.keys(EXPECTED).toSorted()).toEqual(names.toSorted())
  for (const of of Object.values(EXPECTED)) expect(Object.keys(of).toSorted()).toEqual(MISDEEDS.toSorted())
  expect(SIMULATED.split(', ').toSorted()).toEqual(names.toSorted())
})

test('the same seed misbehaves in the same way; another one does not', () => {
  const spoil = (seed: number) => {
    const mischief = new Mischief({ seed, noise: 0.3, drop: 0.3, garble: 0.3, lag: 0.3, lagMs: 100, restart: 0.1 })
    return Array.from({ length: 50 }, () => mischief.spoil(Buffer.from('a message')))
  }
  expect(spoil(7)).toEqual(spoil(7))
  expect(spoil(7)).not.toEqual(spoil(8))
})

test('a meter is read at the speeds that it is called at and names, and is not heard at others', async () => {
  const link = join(folder, 'meter')
  const device = await startSimulator(modelOf('iec62056'), { link, perSecond: 1, mischief: WELL_BEHAVED })
  const [bench, deaf] = [new SourceBench(), new SourceBench()]
  const line = { path: link, baud: 300, data_bits: 7, parity: 'even' }
  const how = { frame: { telegram: 'iec62056' }, decode: 'telegram' }
  try {
    const wrong = deaf.start('serial', { ...line, baud: 1_200, ask: { iec62056: {}, every: '10ms', timeout: '600ms' } }, how)
    await until('it is not answered', () => wrong.status().trouble['no answer'])
    await deaf.end()
    expect(deaf.records).toEqual([])
    bench.start('serial', { ...line, ask: { iec62056: { baud_max: 2_400 }, every: '10ms', timeout: '30s' } }, how)
    await until('a telegram', () => bench.records.length > 0)
    expect(bench.texts[0]).toContain('"meter":"ELS5\\\\2MT174-0001"')
  } finally {
    await Promise.all([bench.end(), deaf.end()])
    await device.stop()
  }
})

test('a scale answers what it is asked, and says of anything else that it is an error', () => {
  const scale = MODELS.find(({ name }) => name === 'scale')
  expect(scale?.answer?.(Buffer.from('SI'))).toBeUndefined()
  const answered = scale?.answer?.(Buffer.from('SI\r\nX\r\n'))
  expect(answered?.reply?.toString()).toMatch(/^S S +\d+\.\d\d g\r\n$/)
  expect(answered?.taken).toBe(4)
  expect(scale?.answer?.(Buffer.from('X\r\n'))?.reply?.toString()).toBe('ES\r\n')
})
