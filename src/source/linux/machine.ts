import { type StatsFs, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { add, fieldOf, namesIn, numberOf, type Readings, textOf } from './attribute.ts'

/*
  disk     /sys/block/<device>/stat      "block/stat": sectors read 3rd, written 7th, ms busy 10th; a sector is 512 bytes, whatever the device's
  network  /sys/class/net/<name>/statistics/…        "ABI/testing/sysfs-class-net-statistics"
  memory   /proc/meminfo, in kB          proc(5)
  load     /proc/loadavg, /proc/uptime   proc(5)
*/
const SECTOR_BYTES = 512
/** Devices that only pass on what others do. */
const VIRTUAL_DISK = /^(loop|ram|zram)\d*$/
const NETWORK_COUNTERS = [
  'rx_bytes',
  'tx_bytes',
  'rx_packets',
  'tx_packets',
  'rx_errors',
  'tx_errors',
  'rx_dropped',
  'tx_dropped',
]
const MEMORY: Readonly<Record<string, string>> = {
  MemTotal: 'total_bytes',
  MemFree: 'free_bytes',
  MemAvailable: 'available_bytes',
  SwapTotal: 'swap_total_bytes',
  SwapFree: 'swap_free_bytes',
}

export function readDisk(root: string, mounts: readonly string[]): Readings {
  const readings: Readings = {}
  const base = join(root, 'sys/block')
  for (const device of namesIn(base)) {
    const columns = VIRTUAL_DISK.test(device) ? undefined : textOf(base, device, 'stat')?.split(/\s+/).map(Number)
    if (!columns || columns.length < 10) continue
    add(readings, fieldOf(device, 'read_bytes'), columns[2], SECTOR_BYTES)
    add(readings, fieldOf(device, 'written_bytes'), columns[6], SECTOR_BYTES)
    add(readings, fieldOf(device, 'busy_ms'), columns[9])
  }
  for (const mount of mounts) {
    const room = roomOf(join(root, mount))
    if (!room) continue
    const { bsize, blocks, bavail } = room
    const name = mount === '/' ? 'root' : mount
    add(readings, fieldOf(name, 'total_bytes'), blocks, bsize)
    add(readings, fieldOf(name, 'available_bytes'), bavail, bsize)
  }
  return readings
}

/** Undefined where nothing is there now, such as a disk that was pulled out. */
function roomOf(path: string): StatsFs | undefined {
  try {
    return statfsSync(path)
  } catch {
    return undefined
  }
}

export function readNetwork(root: string): Readings {
  const readings: Readings = {}
  const base = join(root, 'sys/class/net')
  for (const name of namesIn(base)) {
    if (name === 'lo') continue
    for (const counter of NETWORK_COUNTERS) add(readings, fieldOf(name, counter), numberOf(base, name, 'statistics', counter))
    const carrier = textOf(base, name, 'operstate')
    if (carrier !== undefined) add(readings, fieldOf(name, 'up'), carrier === 'up' ? 1 : 0)
  }
  return readings
}

export function readMemory(root: string): Readings {
  const readings: Readings = {}
  for (const line of textOf(root, 'proc/meminfo')?.split('\n') ?? []) {
    const [, key = '', kilobytes] = /^(\w+):\s+(\d+) kB$/.exec(line) ?? []
    const name = MEMORY[key]
    if (name !== undefined) add(readings, name, Number(kilobytes), 1_024)
  }
  return readings
}

export function readLoad(root: string): Readings {
  const readings: Readings = {}
  const [one, five, fifteen] = (textOf(root, 'proc/loadavg') ?? '').split(' ')
  for (const [name, text] of Object.entries({ load_1m: one, load_5m: five, load_15m: fifteen })) {
    if (text) add(readings, name, Number(text))
  }
  const [uptime] = (textOf(root, 'proc/uptime') ?? '').split(' ')
  if (uptime) add(readings, 'uptime_s', Number(uptime))
  return readings
}
