import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SerialPortMock } from 'serialport'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import type { ModbusClient } from '../../src/source/modbus-bus.ts'
import { lineOf, rtuOptions } from '../../src/source/modbus-line.ts'
import { rs485Options, type SwitchablePort, switchDirection } from '../../src/source/rs485.ts'
import { until } from '../support/until.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-modbus-line-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A port of the serial library on its own mock binding, with all that is done to it written down. */
async function mockPort(): Promise<{ port: SwitchablePort; done: string[] }> {
  SerialPortMock.binding.reset()
  SerialPortMock.binding.createPort('/dev/ttyS1')
  const real = new SerialPortMock({ path: '/dev/ttyS1', baudRate: 9_600, autoOpen: false })
  await new Promise<void>((resolve, reject) => real.open(error => (error ? reject(error) : resolve())))
  const done: string[] = []
  const port: SwitchablePort = {
    write: bytes => {
      done.push(`write ${bytes.toString('latin1')}`)
      return real.write(bytes)
    },
    drain: call => {
      done.push('drain')
      real.drain(call)
    },
    set: (lines, call) => {
      done.push(`rts ${lines.rts ? 'on' : 'off'}`)
      real.set(lines, call)
    },
    emit: (_event, error) => done.push(error.message) > 0,
  }
  return { port, done }
}

describe('RS-485 whose direction is switched by RTS, for a library that writes by itself', () => {
  test('sends while it is on, one request after the other, and listens again once all has left', async () => {
    const { port, done } = await mockPort()
    await switchDirection(port, rs485Options.parse({ before: '1ms', after: '1ms' }), systemClock)
    port.write(Buffer.from('one'))
    port.write(Buffer.from('two'))
    await until('both were sent', () => done.length === 9)
    const sent = (what: string) => ['rts on', `write ${what}`, 'drain', 'rts off']
    expect(done).toEqual(['rts off', ...sent('one'), ...sent('two')])
  })

  test('the other way about where the transceiver wants it', async () => {
    const { port, done } = await mockPort()
    await switchDirection(port, rs485Options.parse({ send_while: 'rts_off' }), systemClock)
    port.write(Buffer.from('?'))
    await until('it was sent', () => done.length === 5)
    expect(done).toEqual(['rts on', 'rts off', 'write ?', 'drain', 'rts on'])
  })

  test('a port that cannot be switched says so, and does not end the process', async () => {
    const { port, done } = await mockPort()
    await switchDirection(port, rs485Options.parse({}), systemClock)
    port.set = (_lines, call) => call(new Error('no such line'))
    port.write(Buffer.from('?'))
    await until('it was said', () => done.includes('no such line'))
  })
})

test('a line on a USB adapter is found by what the adapter says of itself, whichever port it is plugged into', async () => {
  const device = join(folder, 'devices/usb1/1-1')
  const port = join(device, '1-1:1.0/ttyUSB3/tty/ttyUSB3')
  mkdirSync(port, { recursive: true })
  mkdirSync(join(folder, 'class/tty'), { recursive: true })
  const options = rtuOptions.parse({ usb: { vendor: '0403', product: '6001', serial: 'A1' }, baud: 19_200 })
  const line = lineOf({ rtu: options }, systemClock, folder)
  expect(line.name).toBe('USB 0403:6001 serial A1')
  const opened: [string, object][] = []
  const client = {
    connectRTUBuffered: async (path: string, settings: object) => void opened.push([path, settings]),
  } as unknown as ModbusClient
  expect(line.isAbsent()).toBe(true)
  await expect(line.connect(client)).rejects.toThrow('USB 0403:6001 serial A1 is not there')
  for (const [name, text] of Object.entries({ idVendor: '0403', idProduct: '6001', serial: 'A1' }))
    writeFileSync(join(device, name), `${text}\n`)
  symlinkSync(port, join(folder, 'class/tty/ttyUSB3'))
  symlinkSync(join(device, '1-1:1.0/ttyUSB3'), join(port, 'device'))
  await line.connect(client)
  expect(opened).toEqual([['/dev/ttyUSB3', { baudRate: 19_200, parity: 'none', stopBits: 1 }]])
})

test.each([[{}], [{ path: '/dev/ttyS0', usb: { vendor: '0403', product: '6001' } }]])('%j is refused', options => {
  expect(rtuOptions.safeParse(options).error?.issues[0]?.message).toContain('either `path` or `usb`')
})
