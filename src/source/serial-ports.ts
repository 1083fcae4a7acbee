import { existsSync, readdirSync, readFileSync, readlinkSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/*
  What Linux says of serial ports, without asking udev:
    /sys/class/tty/<name>/device          where a device is behind the name; virtual consoles have none
    …/driver                              → its driver
    /sys/class/tty/<name>/type            0: a built-in UART that is not there
    above it, for USB                     idVendor, idProduct, serial, manufacturer, product; bInterfaceNumber
    /dev/serial/by-id, by-path            names that survive replugging, where udev has made them
*/

export interface UsbIdentity {
  readonly vendor: string
  readonly product: string
  readonly serial: string | null
  readonly maker: string | null
  readonly name: string | null
  readonly interface: string | null
}

export interface SerialPortInfo {
  /** Its device file. */
  readonly path: string
  /** The name to put into a pipeline file: one that survives replugging, where there is one. */
  readonly stable: string
  readonly by_path: string | null
  readonly driver: string | null
  readonly usb: UsbIdentity | null
}

/** Directories above a port's in which USB says what it is. */
const LEVELS_MAX = 8
const PORT_UNKNOWN = '0'

/** Ports of this machine; `root` is another one's tree of files. */
export function listSerialPorts(root = '/'): SerialPortInfo[] {
  const classFolder = join(root, 'sys/class/tty')
  const names = existsSync(classFolder) ? readdirSync(classFolder) : []
  const byId = linksOf(join(root, 'dev/serial/by-id'))
  const byPath = linksOf(join(root, 'dev/serial/by-path'))
  return names
    .filter(name => isPort(join(classFolder, name)))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map(name => {
      const device = realpathSync(join(classFolder, name, 'device'))
      const id = byId.get(name)
      return {
        path: `/dev/${name}`,
        stable: id === undefined ? `/dev/${name}` : `/dev/serial/by-id/${id}`,
        by_path: byPath.has(name) ? `/dev/serial/by-path/${byPath.get(name)}` : null,
        driver: driverOf(device),
        usb: usbOf(device),
      }
    })
}

function isPort(folder: string): boolean {
  return existsSync(join(folder, 'device')) && textOf(join(folder, 'type')) !== PORT_UNKNOWN
}

/** Links of a folder by the name of the device file that they lead to. */
function linksOf(folder: string): Map<string, string> {
  if (!existsSync(folder)) return new Map()
  return new Map(readdirSync(folder).map(link => [basename(readlinkSync(join(folder, link))), link]))
}

function driverOf(device: string): string | null {
  const driver = join(device, 'driver')
  return existsSync(driver) ? basename(realpathSync(driver)) : null
}

function usbOf(device: string): UsbIdentity | null {
  let folder = device
  let usbInterface: string | null = null
  for (let level = 0; level < LEVELS_MAX && folder !== dirname(folder); level++, folder = dirname(folder)) {
    usbInterface ??= textOf(join(folder, 'bInterfaceNumber'))
    const vendor = textOf(join(folder, 'idVendor'))
    const product = textOf(join(folder, 'idProduct'))
    if (vendor === null || product === null) continue
    return {
      vendor,
      product,
      serial: textOf(join(folder, 'serial')),
      maker: textOf(join(folder, 'manufacturer')),
      name: textOf(join(folder, 'product')),
      interface: usbInterface,
    }
  }
  return null
}

function textOf(file: string): string | null {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return null
  }
}
