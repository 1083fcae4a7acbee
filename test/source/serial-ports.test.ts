import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { listSerialPorts } from '../../src/source/serial-ports.ts'

/* No machine here has a USB serial adapter: the trees are laid out as Linux does it. */
let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'headrace-sysfs-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), `${text}\n`)
}

function link(path: string, to: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  symlinkSync(to, join(root, path))
}

/** A tty whose device lies in `device`, below /sys/devices. */
function tty(name: string, device: string, driver: string): void {
  mkdirSync(join(root, 'sys/devices', device), { recursive: true })
  mkdirSync(join(root, 'sys/bus/drivers', driver), { recursive: true })
  link(`sys/devices/${device}/driver`, join(root, 'sys/bus/drivers', driver))
  mkdirSync(join(root, 'sys/class/tty', name), { recursive: true })
  link(`sys/class/tty/${name}/device`, join(root, 'sys/devices', device))
}

test('a USB adapter, with all that USB says of it and the name that survives replugging', () => {
  const usb = 'pci0000:00/usb1/1-1'
  tty('ttyUSB0', `${usb}/1-1:1.0/ttyUSB0`, 'ftdi_sio')
  write(`sys/devices/${usb}/idVendor`, '0403')
  write(`sys/devices/${usb}/idProduct`, '6001')
  write(`sys/devices/${usb}/serial`, 'A1B2C3')
  write(`sys/devices/${usb}/manufacturer`, 'FTDI')
  write(`sys/devices/${usb}/product`, 'FT232R USB UART')
  write(`sys/devices/${usb}/1-1:1.0/bInterfaceNumber`, '00')
  link('dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3-if00-port0', '../../ttyUSB0')
  link('dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0', '../../ttyUSB0')
  expect(listSerialPorts(root)).toEqual([
    {
      path: '/dev/ttyUSB0',
      stable: '/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A1B2C3-if00-port0',
      by_path: '/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0',
      driver: 'ftdi_sio',
      usb: { vendor: '0403', product: '6001', serial: 'A1B2C3', maker: 'FTDI', name: 'FT232R USB UART', interface: '00' },
    },
  ])
})

test('a built-in UART is there; one that the machine does not have, and virtual consoles, are not', () => {
  tty('ttyAMA0', 'platform/soc/fe201000.serial', 'uart-pl011')
  tty('ttyS0', 'platform/serial8250/ttyS0', 'serial8250')
  write('sys/class/tty/ttyS0/type', '0')
  mkdirSync(join(root, 'sys/class/tty/tty1'), { recursive: true })
  expect(listSerialPorts(root)).toEqual([
    { path: '/dev/ttyAMA0', stable: '/dev/ttyAMA0', by_path: null, driver: 'uart-pl011', usb: null },
  ])
})

test('ports are listed in the order of their numbers', () => {
  for (const name of ['ttyUSB10', 'ttyUSB2']) tty(name, `platform/${name}`, 'ch341')
  expect(listSerialPorts(root).map(({ path }) => path)).toEqual(['/dev/ttyUSB2', '/dev/ttyUSB10'])
})

test('a machine without ports, and the one that this runs on', () => {
  expect(listSerialPorts(root)).toEqual([])
  expect(Array.isArray(listSerialPorts())).toBe(true)
})
