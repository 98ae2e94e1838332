// SPDX-License-Identifier: Apache-2.0

package readonly

import (
	"github.com/cilium/ebpf/asm"
)

// forbidden helpers with what they do. A helper that is in neither list is reported too; this one says why.
var forbidden = map[asm.BuiltinFunc]string{
	asm.FnProbeWriteUser: "writes to the memory of a process",
	asm.FnOverrideReturn: "makes a kernel function fail",
	asm.FnSendSignal:     "sends a signal to a process", asm.FnSendSignalThread: "sends a signal to a thread",
	asm.FnBprmOptsSet: "changes how a program is executed", asm.FnSetRetval: "changes what a system call returns",
	asm.FnSysBpf: "makes bpf system calls", asm.FnSysClose: "closes a descriptor",
	asm.FnTailCall: "goes on in a program that is not known here",

	asm.FnSkbStoreBytes: "writes to a packet", asm.FnXdpStoreBytes: "writes to a packet",
	asm.FnL3CsumReplace: "writes to a packet", asm.FnL4CsumReplace: "writes to a packet",
	asm.FnCsumUpdate: "changes the checksum of a packet", asm.FnCsumLevel: "changes the checksum state of a packet",
	asm.FnSkbVlanPush: "adds a VLAN tag", asm.FnSkbVlanPop: "removes a VLAN tag",
	asm.FnSkbChangeProto: "changes the protocol of a packet", asm.FnSkbChangeType: "changes the type of a packet",
	asm.FnSkbChangeTail: "changes the size of a packet", asm.FnSkbChangeHead: "changes the size of a packet",
	asm.FnSkbAdjustRoom: "changes the size of a packet", asm.FnSkbPullData: "reallocates a packet",
	asm.FnSkbSetTunnelKey: "changes the tunnel of a packet", asm.FnSkbSetTunnelOpt: "changes the tunnel of a packet",
	asm.FnSkbSetTstamp: "delays a packet", asm.FnSkbEcnSetCe: "marks a packet as congested",
	asm.FnSetHash: "changes the hash of a packet", asm.FnSetHashInvalid: "changes the hash of a packet",
	asm.FnGetHashRecalc: "changes the hash of a packet",
	asm.FnXdpAdjustHead: "changes the size of a packet", asm.FnXdpAdjustTail: "changes the size of a packet",
	asm.FnXdpAdjustMeta: "changes the metadata of a packet",
	asm.FnLwtPushEncap:  "encapsulates a packet", asm.FnLwtSeg6StoreBytes: "writes to a packet",
	asm.FnLwtSeg6AdjustSrh: "changes the size of a packet", asm.FnLwtSeg6Action: "redirects a packet",

	asm.FnCloneRedirect: "sends a copy of a packet", asm.FnRedirect: "redirects a packet",
	asm.FnRedirectMap: "redirects a packet", asm.FnRedirectNeigh: "redirects a packet",
	asm.FnRedirectPeer: "redirects a packet", asm.FnSkRedirectMap: "redirects a packet",
	asm.FnSkRedirectHash: "redirects a packet", asm.FnMsgRedirectMap: "redirects a message",
	asm.FnMsgRedirectHash: "redirects a message", asm.FnMsgApplyBytes: "delays a message",
	asm.FnMsgCorkBytes: "delays a message", asm.FnMsgPullData: "reallocates a message",
	asm.FnMsgPushData: "writes to a message", asm.FnMsgPopData: "removes from a message",

	asm.FnSetsockopt: "changes a socket", asm.FnBind: "binds a socket", asm.FnSkAssign: "gives a packet to another socket",
	asm.FnSkSelectReuseport: "chooses a socket", asm.FnSockMapUpdate: "makes a socket part of a sockmap",
	asm.FnSockHashUpdate: "makes a socket part of a sockmap", asm.FnSockOpsCbFlagsSet: "changes what a socket calls",
	asm.FnStoreHdrOpt: "writes a TCP option", asm.FnReserveHdrOpt: "reserves room for a TCP option",
	asm.FnTcpSendAck: "sends a packet", asm.FnSysctlSetNewValue: "changes a sysctl",
	asm.FnRcRepeat: "presses a key", asm.FnRcKeydown: "presses a key", asm.FnRcPointerRel: "moves a pointer",
	asm.FnDynptrWrite: "may write to a packet", asm.FnDynptrData: "may give a pointer into a packet",
	asm.FnLoop: "calls a function that is not followed here", asm.FnForEachMapElem: "calls a function that is not followed here",
	asm.FnFindVma: "calls a function that is not followed here", asm.FnTimerInit: "runs a function later",
	asm.FnTimerSetCallback: "runs a function later", asm.FnTimerStart: "runs a function later",
	asm.FnUserRingbufDrain: "calls a function that is not followed here",
}

// allowed helpers read, or write to the program's own maps, records and stack; with what they return.
var allowed = map[asm.BuiltinFunc]kind{
	asm.FnMapLookupElem: memory, asm.FnMapLookupPercpuElem: memory, asm.FnMapUpdateElem: number, asm.FnMapDeleteElem: number,
	asm.FnMapPushElem: number, asm.FnMapPopElem: number, asm.FnMapPeekElem: number, asm.FnGetLocalStorage: memory,
	asm.FnSkStorageGet: memory, asm.FnSkStorageDelete: number, asm.FnSpinLock: number, asm.FnSpinUnlock: number, asm.FnTaskStorageGet: memory, asm.FnTaskStorageDelete: number,
	asm.FnCgrpStorageGet: memory, asm.FnCgrpStorageDelete: number,

	asm.FnRingbufReserve: memory, asm.FnRingbufSubmit: number, asm.FnRingbufDiscard: number, asm.FnRingbufOutput: number,
	asm.FnRingbufQuery: number, asm.FnPerfEventOutput: number, asm.FnSkbOutput: number,

	asm.FnProbeRead: number, asm.FnProbeReadStr: number, asm.FnProbeReadKernel: number, asm.FnProbeReadKernelStr: number,
	asm.FnProbeReadUser: number, asm.FnProbeReadUserStr: number, asm.FnCopyFromUser: number,
	asm.FnSkbLoadBytes: number, asm.FnSkbLoadBytesRelative: number, asm.FnCsumDiff: number, asm.FnStrncmp: number,

	asm.FnKtimeGetNs: number, asm.FnKtimeGetBootNs: number, asm.FnKtimeGetCoarseNs: number, asm.FnKtimeGetTaiNs: number,
	asm.FnJiffies64: number, asm.FnGetPrandomU32: number, asm.FnGetSmpProcessorId: number, asm.FnGetNumaNodeId: number,
	asm.FnGetCurrentPidTgid: number, asm.FnGetCurrentUidGid: number, asm.FnGetCurrentComm: number,
	asm.FnGetNsCurrentPidTgid: number, asm.FnGetCurrentTask: number, asm.FnGetCurrentTaskBtf: object, asm.FnTaskPtRegs: object,
	asm.FnGetCurrentCgroupId: number, asm.FnGetCurrentAncestorCgroupId: number, asm.FnSkbCgroupId: number,
	asm.FnSkbAncestorCgroupId: number, asm.FnSkCgroupId: number, asm.FnSkAncestorCgroupId: number,
	asm.FnGetSocketCookie: number, asm.FnGetSocketUid: number, asm.FnGetNetnsCookie: number,
	asm.FnSkFullsock: object, asm.FnTcpSock: object, asm.FnGetListenerSock: object, asm.FnSkcToTcpSock: object,
	asm.FnSkcToTcp6Sock: object, asm.FnSkcToUdp6Sock: object, asm.FnSkcToTcpRequestSock: object,
	asm.FnSkcToTcpTimewaitSock: object, asm.FnSkcToMptcpSock: object, asm.FnSkcToUnixSock: object,
	asm.FnGetStackid: number, asm.FnGetStack: number, asm.FnGetTaskStack: number, asm.FnGetAttachCookie: number,
	asm.FnGetFuncIp: number, asm.FnGetFuncArg: number, asm.FnGetFuncRet: number, asm.FnGetFuncArgCnt: number,
}

// writes names the register that holds the address to which an allowed helper writes.
var writes = map[asm.BuiltinFunc]asm.Register{
	asm.FnProbeRead: asm.R1, asm.FnProbeReadStr: asm.R1, asm.FnProbeReadKernel: asm.R1, asm.FnProbeReadKernelStr: asm.R1,
	asm.FnProbeReadUser: asm.R1, asm.FnProbeReadUserStr: asm.R1, asm.FnCopyFromUser: asm.R1, asm.FnGetCurrentComm: asm.R1,
	asm.FnSkbLoadBytes: asm.R3, asm.FnSkbLoadBytesRelative: asm.R3, asm.FnMapPopElem: asm.R2, asm.FnMapPeekElem: asm.R2,
	asm.FnGetNsCurrentPidTgid: asm.R3, asm.FnGetStack: asm.R2, asm.FnGetTaskStack: asm.R2, asm.FnGetFuncArg: asm.R3,
	asm.FnGetFuncRet: asm.R2,
}
