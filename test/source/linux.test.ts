import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { linux, readLinux } from '../../src/source/linux.ts'
import { until } from '../support/until.ts'
import { SourceBench } from './harness.ts'

let bench: SourceBench
let root: string
beforeEach(() => {
  bench = new SourceBench()
  root = mkdtempSync(join(tmpdir(), 'headrace-linux-'))
})
afterEach(async () => {
  await bench.end()
  rmSync(root, { recursive: true, force: true })
})

function files(tree: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(tree)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), `${text}\n`)
  }
}

test('disk, on a fixture: counters keep their digits, and a file system that is not there is left out', () => {
  files({ 'sys/block/sda/stat': '1 2 9000000000001 4 5 6 8 8 9 10 11', 'mnt/data/x': '' })
  const readings = readLinux({ read: ['disk'], root, mounts: ['/mnt/usb', '/mnt/data'] })
  expect(readings).toMatchObject({ disk_sda_read_bytes: 9_000_000_000_001 * 512, disk_sda_written_bytes: 4_096 })
  expect(Object.keys(readings).slice(3)).toEqual(['disk_mnt_data_total_bytes', 'disk_mnt_data_available_bytes'])
})

test('hwmon, on a fixture: units from the type, names from chip and label, what is broken left out', () => {
  const chip = 'sys/class/hwmon/hwmon0'
  files({
    [`${chip}/name`]: 'ina219',
    [`${chip}/in1_input`]: '12034',
    [`${chip}/curr1_input`]: '-150',
    [`${chip}/power1_input`]: '1805000',
    [`${chip}/temp1_input`]: '',
    'sys/class/hwmon/hwmon1/name': 'coretemp',
    'sys/class/hwmon/hwmon1/temp1_input': '45500',
    'sys/class/hwmon/hwmon1/temp1_label': 'Package id 0',
    'sys/class/hwmon/hwmon2/name': 'coretemp',
    'sys/class/hwmon/hwmon2/temp1_input': '46000',
    'sys/class/hwmon/hwmon2/temp1_label': 'Package id 0',
    'sys/class/hwmon/hwmon2/fan1_input': '2900',
  })
  expect(readLinux({ read: ['hwmon'], root, mounts: [] })).toEqual({
    hwmon_ina219_in1_v: 12.034,
    hwmon_ina219_curr1_a: -0.15,
    hwmon_ina219_power1_w: 1.805,
    hwmon_coretemp_package_id_0_c: 45.5,
    hwmon_coretemp_package_id_0_c_2: 46,
    hwmon_coretemp_fan1_rpm: 2900,
  })
})

test('types and units of its fields, which reach the registry, follow from their names', () => {
  files({
    'sys/class/hwmon/hwmon0/name': 'coretemp',
    'sys/class/hwmon/hwmon0/temp1_input': '45500',
    'sys/class/hwmon/hwmon1/name': 'coretemp',
    'sys/class/hwmon/hwmon1/temp1_input': '45500',
    'sys/bus/iio/devices/iio:device0/name': 'bme280',
    'sys/bus/iio/devices/iio:device0/in_temp_v_raw': '9',
    'proc/uptime': '12.5 10',
    'proc/loadavg': '0.5 0.4 0.3 1/2 3',
    'proc/meminfo': 'MemFree: 12 kB',
  })
  const options = linux.options.parse({ read: ['hwmon', 'iio', 'load', 'memory'], root })
  expect(linux.fieldsHere?.(options)).toEqual({
    hwmon_coretemp_temp1_c: { type: 'number', unit: '°C' },
    hwmon_coretemp_temp1_c_2: { type: 'number', unit: '°C' },
    iio_bme280_temp_v: { type: 'number' },
    load_1m: { type: 'number' },
    load_5m: { type: 'number' },
    load_15m: { type: 'number' },
    uptime_s: { type: 'number', unit: 's' },
    memory_free_bytes: { type: 'number', unit: 'B' },
  })
  expect(linux.fieldsHere?.({ ...options, read: ['disk'], mounts: ['/no-such'] })).toEqual({})
})

test('thermal zones and IIO, on a fixture: raw values with offset and scale, of the channel or of its type', () => {
  files({
    'sys/class/thermal/thermal_zone0/type': 'cpu-thermal',
    'sys/class/thermal/thermal_zone0/temp': '51234',
    'sys/class/thermal/cooling_device0/type': 'fan',
    'sys/bus/iio/devices/iio:device0/name': 'bme280',
    'sys/bus/iio/devices/iio:device0/in_temp_input': '21500',
    'sys/bus/iio/devices/iio:device0/in_temp_raw': '9',
    'sys/bus/iio/devices/iio:device0/in_humidityrelative_raw': '43000',
    'sys/bus/iio/devices/iio:device0/in_humidityrelative_scale': '0.001',
    'sys/bus/iio/devices/iio:device1/name': 'ads1115',
    'sys/bus/iio/devices/iio:device1/in_voltage0_raw': '8000',
    'sys/bus/iio/devices/iio:device1/in_voltage1_raw': '100',
    'sys/bus/iio/devices/iio:device1/in_voltage1_scale': '2',
    'sys/bus/iio/devices/iio:device1/in_voltage_scale': '0.125',
    'sys/bus/iio/devices/iio:device1/in_voltage_offset': '-4',
  })
  expect(readLinux({ read: ['thermal', 'iio'], root, mounts: [] })).toEqual({
    thermal_cpu_thermal_c: 51.234,
    iio_bme280_temp: 21500,
    iio_bme280_humidityrelative: 43,
    iio_ads1115_voltage0: 999.5,
    iio_ads1115_voltage1: 192,
  })
})

test('disks, network and memory, on a fixture', () => {
  files({
    'sys/block/mmcblk0/stat': '100 0 2048 30 200 0 4096 50 0 75 80',
    'sys/block/loop0/stat': '1 0 2 3 4 5 6 7 8 9 10',
    'sys/class/net/eth0/statistics/rx_bytes': '1234',
    'sys/class/net/eth0/operstate': 'up',
    'sys/class/net/lo/statistics/rx_bytes': '9',
    'proc/meminfo': 'MemTotal:  1000 kB\nMemAvailable:   500 kB\nHugePages_Total:  0',
    'proc/loadavg': '0.50 0.40 0.30 1/100 1234',
    'proc/uptime': '3600.25 1.0',
  })
  expect(readLinux({ read: ['disk', 'network', 'memory', 'load'], root, mounts: [] })).toEqual({
    disk_mmcblk0_read_bytes: 1_048_576,
    disk_mmcblk0_written_bytes: 2_097_152,
    disk_mmcblk0_busy_ms: 75,
    network_eth0_rx_bytes: 1234,
    network_eth0_up: 1,
    memory_total_bytes: 1_024_000,
    memory_available_bytes: 512_000,
    load_1m: 0.5,
    load_5m: 0.4,
    load_15m: 0.3,
    uptime_s: 3600.25,
  })
})

test('this very machine: memory, load and the room of its root', async () => {
  bench.start('linux', { every: '50ms' })
  await until('two rounds', () => bench.records.length >= 2)
  const readings = JSON.parse(bench.texts[0] ?? '')
  expect(readings.memory_total_bytes).toBeGreaterThan(readings.memory_available_bytes)
  expect(readings.disk_root_total_bytes).toBeGreaterThan(0)
  expect(readings.uptime_s).toBeGreaterThan(0)
})

test('where nothing is there, that is said', async () => {
  const runner = bench.start('linux', { root, every: '50ms', read: ['iio'] })
  const waiting = await until('it waits', () => runner.status().state === 'waiting' && runner.status())
  expect(waiting.reason).toBe('nothing of iio is there')
})
