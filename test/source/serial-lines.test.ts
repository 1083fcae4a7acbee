import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SerialPortMock } from 'serialport'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Pty } from '../../hardware/simulators/pty.ts'
import { SerialSource, serial } from '../../src/source/serial.ts'
import { EchoFilter } from '../../src/source/serial-echo.ts'
import { lineErrors } from '../../src/source/serial-line-errors.ts'
import type { SerialHandle, SerialMachine, SerialSettings } from '../../src/source/serial-machine.ts'
import { gatherMs, type SerialOptions, serialOptions } from '../../src/source/serial-options.ts'
import { findUsbPort } from '../../src/source/serial-usb.ts'
import type { Source, SourceKind } from '../../src/source/source.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

/** The block check is the XOR of what lies between STX and it. */
const READOUT = '\x021.8.0(1.5*kWh)\r\n!\r\n\x03\x4e'

let bench: SourceBench
let folder: string
beforeEach(() => {
  bench = new SourceBench()
  folder = mkdtempSync(join(tmpdir(), 'headrace-serial-'))
})
afterEach(async () => {
  await bench.end()
  rmSync(folder, { recursive: true, force: true })
})

function kindOn(machine: SerialMachine): SourceKind {
  return { ...serial, open: (options, context) => new SerialSource(options as SerialOptions, context, machine) }
}

/** The serial library's own mock binding, with all that is done to its port written down. */
class MockMachine implements SerialMachine {
  readonly done: string[] = []
  readonly procRoot: string
  readonly sysRoot: string
  settings: SerialSettings | undefined
  answer: (request: string) => string | undefined = () => undefined
  emit: (text: string) => void = () => {}

  constructor(root: string) {
    this.procRoot = join(root, 'proc')
    this.sysRoot = join(root, 'sys')
    SerialPortMock.binding.reset()
    SerialPortMock.binding.createPort('/dev/ttyS1')
  }

  isThere(): boolean {
    return true
  }

  async open(settings: SerialSettings): Promise<SerialHandle> {
    this.settings = settings
    const port = await SerialPortMock.binding.open(settings)
    this.emit = text => port.emitData(text)
    return {
      read: (buffer, offset, length) => port.read(buffer, offset, length),
      write: async bytes => {
        this.done.push(`write ${bytes.toString('latin1')}`)
        await port.write(bytes)
        const answer = this.answer(bytes.toString('latin1'))
        if (answer !== undefined) port.emitData(answer)
      },
      drain: async () => {
        this.done.push('drain')
        await port.drain()
      },
      flush: () => port.flush(),
      update: async line => {
        this.done.push(`update ${line.baudRate}`)
        await port.update(line)
      },
      set: async lines => {
        this.done.push(`set ${JSON.stringify(lines)}`)
        await port.set(lines)
      },
      close: () => port.close(),
    }
  }
}

describe('on the mock binding', () => {
  let machine: MockMachine
  beforeEach(() => {
    machine = new MockMachine(folder)
  })

  test('every setting of the line reaches the driver', async () => {
    const line = { path: '/dev/ttyS1', baud: 2_400, data_bits: 7, parity: 'even', stop_bits: 2, flow: 'software', hang_up: false }
    const runner = bench.start(kindOn(machine), { ...line, dtr: 'on', rts: 'off' })
    await until('it reads', () => runner.status().state === 'reading')
    expect(machine.settings).toEqual({
      path: '/dev/ttyS1',
      baudRate: 2_400,
      dataBits: 7,
      parity: 'even',
      stopBits: 2,
      rtscts: false,
      xon: true,
      xoff: true,
      hupcl: false,
      lock: true,
    })
    expect(machine.done).toEqual(['set {"dtr":true,"rts":false}'])
  })

  test('RS-485 sends while RTS is on, and listens again once all has left', async () => {
    machine.answer = request => (request === 'MEAS?\r\n' ? '21.5\r\n' : undefined)
    bench.start(kindOn(machine), {
      path: '/dev/ttyS1',
      rs485: { before: '1ms', after: '1ms' },
      ask: { requests: ['MEAS?\\r\\n'], every: '10ms' },
    })
    await until('two answers', () => bench.records.length >= 2)
    expect(bench.texts.slice(0, 2)).toEqual(['21.5', '21.5'])
    expect(machine.done.slice(0, 5)).toEqual([
      'set {"rts":false}',
      'set {"rts":true}',
      'write MEAS?\r\n',
      'drain',
      'set {"rts":false}',
    ])
  })

  test('the other way about where the transceiver wants it', async () => {
    bench.start(kindOn(machine), {
      path: '/dev/ttyS1',
      rs485: { send_while: 'rts_off' },
      ask: { requests: ['?'], every: '10ms', timeout: '10ms' },
    })
    await until('it asked', () => machine.done.length >= 5)
    expect(machine.done.slice(0, 5)).toEqual(['set {"rts":true}', 'set {"rts":false}', 'write ?', 'drain', 'set {"rts":true}'])
  })

  test('a meter is called at 300 baud, acknowledged, read at the speed that it offers, and called at 300 again', async () => {
    machine.answer = request => {
      if (request === '/?!\r\n') return '/ELS6 meter\r\n'
      return request === '\x06050\r\n' ? READOUT : undefined
    }
    const line = { path: '/dev/ttyS1', baud: 300, data_bits: 7, parity: 'even' }
    const ask = { iec62056: { baud_max: 9_600 }, every: '10ms', timeout: '30s' }
    bench.start(kindOn(machine), { ...line, ask }, { frame: { telegram: 'iec62056' }, decode: 'telegram' })
    await until('the next call', () => machine.done.length >= 6)
    expect(bench.texts[0]).toBe('{"meter":"ELS6 meter","import_kwh":1.5}')
    const conversation = ['write /?!\r\n', 'write \x06050\r\n', 'drain', 'update 9600', 'update 300', 'write /?!\r\n']
    expect(machine.done.slice(0, 6)).toEqual(conversation)
  })

  test('a meter that changes its speed by itself is not acknowledged; one that does not change it is read as it is', async () => {
    let letter = 'E'
    machine.answer = request => (request === '/?7!\r\n' ? `/ELS${letter} meter\r\n${READOUT}` : undefined)
    const ask = { iec62056: { address: '7' }, every: '10ms', timeout: '30s' }
    bench.start(kindOn(machine), { path: '/dev/ttyS1', baud: 300, ask }, { frame: { telegram: 'iec62056' }, decode: 'telegram' })
    await until('a telegram', () => machine.done.includes('update 300'))
    expect(machine.done.slice(0, 3)).toEqual(['write /?7!\r\n', 'update 9600', 'update 300'])
    letter = 'z'
    await until('another call', () => machine.done.at(-1) === 'write /?7!\r\n' && machine.done.at(-2) === 'write /?7!\r\n')
    expect(bench.records.length).toBeGreaterThan(1)
  })

  test('what a line gives back of what was sent is taken out, also in pieces; what is no echo is counted and kept', async () => {
    let isEcho = true
    machine.answer = request => `${isEcho ? request : 'Q'}21.5\r\n`
    const runner = bench.start(kindOn(machine), {
      path: '/dev/ttyS1',
      ask: { requests: ['MEAS?\\r\\n'], every: '10ms', echo: true },
    })
    await until('two answers', () => bench.records.length >= 2)
    expect(new Set(bench.texts)).toEqual(new Set(['21.5']))
    expect(runner.status().trouble).toEqual({})
    isEcho = false
    await until('it was counted', () => runner.status().trouble['an echo was not what was sent'] !== undefined)
    await until('and kept', () => bench.texts.includes('Q21.5'))
    const pieces = new EchoFilter(() => {})
    pieces.expect(Buffer.from('MEAS?'))
    expect(['ME', 'AS', '?4', '2'].map(text => pieces.take(Buffer.from(text)).toString())).toEqual(['', '', '4', '2'])
  })

  test('what the driver counts is counted with the source', async () => {
    mkdirSync(join(machine.procRoot, 'tty/driver'), { recursive: true })
    writeFileSync(join(machine.procRoot, 'tty/drivers'), 'serial               /dev/ttyS       4 64-95 serial\n')
    const counters = join(machine.procRoot, 'tty/driver/serial')
    writeFileSync(counters, 'serinfo:1.0 driver revision:\n0: uart:16550A port:000003F8 irq:4 tx:0 rx:9 oe:7\n')
    const path = join(folder, 'ttyS0')
    writeFileSync(path, '')
    // The fixture's port is a file: its name has to be the one that the driver's table knows.
    writeFileSync(join(machine.procRoot, 'tty/drivers'), `serial ${join(folder, 'ttyS')} 4 64-95 serial\n`)
    expect(lineErrors(path, machine.procRoot)).toEqual({ framing_errors: 0, parity_errors: 0, overruns: 7, breaks: 0 })
    writeFileSync(
      counters,
      '0: uart:16550A port:000003F8 irq:4 tx:0 rx:9 fe:3 pe:1 brk:2 oe:9 RTS|DTR\n1: uart:unknown port:0 irq:3\n',
    )
    expect(lineErrors(path, machine.procRoot)).toEqual({ framing_errors: 3, parity_errors: 1, overruns: 9, breaks: 2 })
    expect(lineErrors(join(folder, 'ttyUSB0'), machine.procRoot)).toBeUndefined()
  })
})

describe('on a pseudo terminal', () => {
  let pty: Pty
  const link = () => join(folder, 'port')
  beforeEach(async () => {
    pty = await Pty.open(link())
  })
  afterEach(() => pty.close())

  const ask = (more: object) => ({
    path: link(),
    ask: { requests: ['A\\r\\n', 'B\\r\\n'], every: '10ms', timeout: '2s', ...more },
  })

  test('a device that speaks only when asked is asked in turn, never twice at once', async () => {
    let asked = 0
    let open = 0
    pty.onBytes(bytes => {
      for (const request of bytes.toString('latin1').trim().split(/\s+/)) {
        open += 1
        expect(open).toBe(1)
        setTimeout(() => {
          open -= 1
          pty.write(`${request}${asked++}\r\n`)
        }, 3)
      }
    })
    bench.start('serial', ask({}))
    await until('two rounds', () => bench.records.length >= 4)
    expect(bench.texts.slice(0, 4)).toEqual(['A0', 'B1', 'A2', 'B3'])
  })

  test('one that does not answer is counted and said; when it answers again, it goes on', async () => {
    let isDead = true
    pty.onBytes(bytes => {
      if (!isDead) for (const request of bytes.toString('latin1').trim().split(/\s+/)) pty.write(`${request}\n`)
    })
    const runner = bench.start('serial', ask({ timeout: '20ms' }))
    await until('it was missed', () => (runner.status().trouble['no answer'] ?? 0) >= 2)
    expect(runner.status()).toMatchObject({ state: 'waiting', reason: 'the device does not answer' })
    isDead = false
    await until('an answer', () => bench.records.length > 0)
    await until('it reads', () => runner.status().state === 'reading')
  })

  test('half an answer before the time-out is not joined with the next one', async () => {
    let times = 0
    pty.onBytes(bytes => {
      for (const _ of bytes.toString('latin1').trim().split(/\s+/)) pty.write(times++ === 0 ? 'hal' : 'whole\n')
    })
    const runner = bench.start('serial', { path: link(), ask: { requests: ['?\\n'], every: '10ms', timeout: '100ms' } })
    await until('a record', () => bench.records.length >= 2)
    expect(new Set(bench.texts)).toEqual(new Set(['whole']))
    // How often nothing comes in time depends on the machine as well.
    expect(runner.status().trouble).toMatchObject({ 'a record broke off': 1, 'no answer': expect.any(Number) })
  })
})

describe('a USB adapter, on a fixture of sysfs', () => {
  const FTDI = { vendor: '0403', product: '6001' }

  /** A port as the kernel shows it: the port's folder within the interface's, within the device's. */
  function plugIn(port: string, at: string, device: { vendor: string; product: string; serial?: string }, inside = true): void {
    const deviceFolder = join(folder, 'devices/pci0/usb1', at)
    const number = port.endsWith('1') ? '01' : '00'
    const own = join(deviceFolder, `${at}:1.${Number(number)}`, inside ? port : '.')
    mkdirSync(own, { recursive: true })
    writeFileSync(join(deviceFolder, 'idVendor'), `${device.vendor}\n`)
    writeFileSync(join(deviceFolder, 'idProduct'), `${device.product}\n`)
    if (device.serial !== undefined) writeFileSync(join(deviceFolder, 'serial'), `${device.serial}\n`)
    writeFileSync(join(deviceFolder, `${at}:1.${Number(number)}`, 'bInterfaceNumber'), `${number}\n`)
    mkdirSync(join(folder, 'class/tty', port), { recursive: true })
    symlinkSync(own, join(folder, 'class/tty', port, 'device'))
  }

  test('is found by vendor and product, by its serial number among several, by its interface', () => {
    mkdirSync(join(folder, 'class/tty/console'), { recursive: true })
    plugIn('ttyUSB0', '1-1', { ...FTDI, serial: 'A1' })
    plugIn('ttyACM0', '1-2', { vendor: '2341', product: '0043' }, false)
    expect(findUsbPort(FTDI, folder)).toBe('/dev/ttyUSB0')
    expect(findUsbPort({ vendor: '2341', product: '0043' }, folder)).toBe('/dev/ttyACM0')
    expect(findUsbPort({ ...FTDI, serial: 'B2' }, folder)).toBeUndefined()
    plugIn('ttyUSB5', '1-3', { ...FTDI, serial: 'B2' })
    expect(() => findUsbPort(FTDI, folder)).toThrow(
      '2 ports fit USB 0403:6001: ttyUSB0, ttyUSB5; say which by `serial` or `interface`',
    )
    expect(findUsbPort({ ...FTDI, serial: 'B2' }, folder)).toBe('/dev/ttyUSB5')
    plugIn('ttyUSB1', '1-1', { ...FTDI, serial: 'A1' })
    expect(findUsbPort({ ...FTDI, serial: 'A1', interface: 1 }, folder)).toBe('/dev/ttyUSB1')
  })

  test('is waited for, and said, until it is plugged in', async () => {
    const machine = new MockMachine(folder)
    SerialPortMock.binding.createPort('/dev/ttyUSB0')
    const runner = bench.start(kindOn({ ...machine, isThere: () => true, open: s => machine.open(s), sysRoot: folder }), {
      usb: FTDI,
    })
    const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
    expect(waiting.reason).toBe('USB 0403:6001 is not there')
    plugIn('ttyUSB0', '1-1', FTDI)
    await until('it reads', () => runner.status().state === 'reading')
    machine.emit('here\n')
    await until('a record', () => bench.texts.includes('here'))
  })
})

test.each([
  [{}, 'either `path` or `usb`'],
  [{ path: '/dev/ttyS0', usb: { vendor: '0403', product: '6001' } }, 'either `path` or `usb`'],
  [{ path: '/dev/ttyS0', rs485: {}, flow: 'hardware' }, 'cannot use RTS twice'],
  [{ path: '/dev/ttyS0', rs485: {}, rts: 'on' }, 'cannot use RTS twice'],
])('%j is refused', (options, why) => {
  expect(serialOptions.safeParse(options).error?.issues[0]?.message).toContain(why)
})

test.each([
  [{}, 50, 10],
  [{}, 1_000, 10],
  [{}, 20, 4],
  [{}, 0, 0],
  [{ gather: 200 }, 0, 200],
  [{ gather: 0 }, 1_000, 0],
])('%j with a durability of %i ms is read at most every %i ms', (options, durabilityMs, ms) => {
  expect(gatherMs({ gather: undefined, ...options }, { pausesMatter: false, durabilityMs: () => durabilityMs })).toBe(ms)
})

test('where pauses tell records apart nothing is gathered: that cut long records and joined short ones', async () => {
  const durable = { durabilityMs: () => 1_000 }
  expect(gatherMs({ gather: undefined }, { pausesMatter: true, ...durable })).toBe(0)
  expect(gatherMs({ gather: 5 }, { pausesMatter: true, ...durable })).toBe(5)
  const told: boolean[] = []
  const silent: Source = { start: async () => {}, stop: async () => {}, pause: () => {}, resume: () => {} }
  const telling: SourceKind = {
    ...kindOn(new MockMachine(folder)),
    open: (_options, { pausesMatter }) => {
      told.push(pausesMatter)
      return silent
    },
  }
  bench.start(telling, { path: '/dev/ttyS1' }, { frame: { silence: '30ms' } })
  bench.start(telling, { path: '/dev/ttyS1' }, { frame: { delimiter: '\\n' } })
  expect(told).toEqual([true, false])
})
