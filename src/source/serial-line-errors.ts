import { readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'

/** What a driver counts of a port since the machine started. */
export type LineErrors = Readonly<Record<'framing_errors' | 'parity_errors' | 'overruns' | 'breaks', number>>

const COUNTERS = { fe: 'framing_errors', pe: 'parity_errors', oe: 'overruns', brk: 'breaks' } as const

/*
  /proc/tty/drivers           serial  /dev/ttyS  4 64-95 serial         driver, node, major, minors, type
  /proc/tty/driver/<driver>   0: uart:16550A port:000003F8 irq:4 tx:0 rx:120 fe:2 oe:1 RTS|DTR     counters that are 0 are left out
  (the kernel's serial_core.c, uart_line_info, and fs/proc/proc_tty.c)
*/

/**
 * Errors of a port as its driver has counted them. Undefined where the driver tells nobody: a USB adapter's does not (its counters come by an ioctl that
 * Node cannot make), and the file is readable by root only.
 */
export function lineErrors(path: string, procRoot = '/proc'): LineErrors | undefined {
  try {
    const device = realpathSync(path)
    const driver = driverOf(device, readFileSync(join(procRoot, 'tty/drivers'), 'utf8'))
    if (!driver) return undefined
    const text = readFileSync(join(procRoot, 'tty/driver', driver.name), 'utf8')
    const line = text.split('\n').find(each => each.startsWith(`${driver.line}:`))
    return line?.includes('uart:') ? parseLine(line) : undefined
  } catch {
    // Without the right to look, or without such a file, nothing is known: the source reads all the same.
    return undefined
  }
}

function driverOf(device: string, drivers: string): { name: string; line: string } | undefined {
  for (const row of drivers.split('\n')) {
    const [name, node] = row.trim().split(/\s+/)
    if (name === undefined || node === undefined || !device.startsWith(node)) continue
    const line = device.slice(node.length)
    if (/^\d+$/.test(line)) return { name, line }
  }
  return undefined
}

function parseLine(line: string): LineErrors {
  const errors = { framing_errors: 0, parity_errors: 0, overruns: 0, breaks: 0 }
  for (const [, key = '', value] of line.matchAll(/\b(fe|pe|oe|brk):(\d+)/g)) {
    errors[COUNTERS[key as keyof typeof COUNTERS]] = Number(value)
  }
  return errors
}
