import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { HeadraceError } from '../runtime/errors.ts'

const hex4 = z.string().regex(/^[0-9a-fA-F]{4}$/, 'has to be four hexadecimal digits, in quotes, such as "0403"')

/** A USB adapter, told by what it says of itself. */
export const usbIdentity = z.strictObject({
  vendor: hex4.describe('Vendor, four hexadecimal digits, such as "0403".'),
  product: hex4.describe('Product, four hexadecimal digits.'),
  serial: z.string().min(1).optional().describe('Serial number; needed where there are several of the same product.'),
  interface: z.int().min(0).max(255).optional().describe('Interface, for adapters with several ports.'),
})
export type UsbIdentity = z.output<typeof usbIdentity>

/** Folders between a port and its USB device in sysfs; a hub more or less does not matter, since the walk ends at the device. */
const STEPS_UP_MAX = 6

/**
 * The device file of the port whose USB adapter fits, from sysfs alone (no udev is needed). Undefined while it is not plugged in. Throws
 * `source_failed` where several fit.
 *
 * `/sys/class/tty/<port>/device` leads to the interface, `…/1-1:1.0` or a folder in it; the device above it, `…/1-1`, has idVendor, idProduct
 * and serial (kernel documentation, "ABI/stable/sysfs-bus-usb").
 */
export function findUsbPort(wanted: UsbIdentity, sysRoot = '/sys'): string | undefined {
  const ports = portsOf(sysRoot).filter(port => fits(wanted, join(sysRoot, 'class/tty', port, 'device')))
  if (ports.length > 1) {
    throw new HeadraceError(
      'source_failed',
      `${ports.length} ports fit ${usbText(wanted)}: ${ports.join(', ')}; say which by \`serial\` or \`interface\``,
    )
  }
  return ports[0] === undefined ? undefined : `/dev/${ports[0]}`
}

export function usbText({ vendor, product, serial, interface: number }: UsbIdentity): string {
  const more = [...(serial === undefined ? [] : [`serial ${serial}`]), ...(number === undefined ? [] : [`interface ${number}`])]
  return [`USB ${vendor.toLowerCase()}:${product.toLowerCase()}`, ...more].join(' ')
}

function portsOf(sysRoot: string): string[] {
  const folder = join(sysRoot, 'class/tty')
  return existsSync(folder) ? readdirSync(folder).sort() : []
}

function fits(wanted: UsbIdentity, link: string): boolean {
  if (!existsSync(link)) return false
  let at = realpathSync(link)
  let ownInterface: string | undefined
  for (let step = 0; step < STEPS_UP_MAX; step++) {
    ownInterface ??= attribute(at, 'bInterfaceNumber')
    const vendor = attribute(at, 'idVendor')
    if (vendor !== undefined) {
      const same = vendor === wanted.vendor.toLowerCase() && attribute(at, 'idProduct') === wanted.product.toLowerCase()
      if (!same || (wanted.serial !== undefined && attribute(at, 'serial') !== wanted.serial)) return false
      return wanted.interface === undefined || Number.parseInt(ownInterface ?? '', 16) === wanted.interface
    }
    if (basename(at) === 'devices') return false
    at = dirname(at)
  }
  return false
}

function attribute(folder: string, name: string): string | undefined {
  const path = join(folder, name)
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
}
