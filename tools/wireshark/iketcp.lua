-- SPDX-License-Identifier: GPL-2.0
--
-- IKE and ESP over TCP (RFC 8229, RFC 9329) for Wireshark and tshark. Tested with 4.0,
-- which is what Debian 12 has.
--
--   tshark -X lua_script:tools/wireshark/iketcp.lua -r FILE
--
-- or for good, for both Wireshark and tshark:
--
--   mkdir -p ~/.local/lib/wireshark/plugins
--   cp tools/wireshark/iketcp.lua ~/.local/lib/wireshark/plugins
--
-- It reads the prefix and the lengths, and hands the messages to Wireshark's own
-- "isakmp" and "esp". It is asked for TCP port 4500 (preference "iketcp.ports"),
-- for what "Decode As" says, and for streams that begin with the prefix on ports
-- that nobody else claims. Wireshark's "tcpencap" is another, older protocol; what
-- is not ours goes on to it and to all the others.
--
-- TCP puts segments together for us, and usually does it right. It does not when
-- the capture has holes, begins in mid-stream, or has segments out of order (and
-- "tcp.reassemble_out_of_order" is off). Then a segment may begin inside a message,
-- and ciphertext would be read as lengths. So the sequence number where the next
-- message has to begin is kept for each direction, and a segment that begins
-- elsewhere is believed only if it looks like messages.

local PREFIX = "IKETCP"
local LENGTH_LEN = 2
local MARKER_LEN = 4
local IKE_HEADER_LEN = 28
-- SPI and sequence number.
local ESP_HEADER_LEN = 8
-- SPIs below are reserved (RFC 4303).
local SPI_MIN = 256

local proto = Proto("iketcp", "IKE and ESP over TCP")

local field = {
	prefix = ProtoField.string("iketcp.prefix", "Prefix", base.ASCII,
		"What the originator's stream begins with"),
	length = ProtoField.uint16("iketcp.length", "Length", base.DEC, nil, nil,
		"Length of the message; counts itself"),
	type = ProtoField.string("iketcp.type", "Type", base.ASCII,
		"prefix, IKE, ESP, keepalive, empty, short, invalid or unknown"),
	marker = ProtoField.uint32("iketcp.marker", "Non-ESP marker", base.HEX, nil, nil,
		"Four zero bytes where ESP has its SPI: this is IKE"),
	keepalive = ProtoField.uint8("iketcp.keepalive", "NAT keepalive", base.HEX),
	data = ProtoField.bytes("iketcp.data", "Data", base.NONE,
		"A message that is neither IKE nor ESP"),
	unparsed = ProtoField.bytes("iketcp.unparsed", "Not parsed", base.NONE,
		"Bytes of the stream that are not known to begin a message"),
}
proto.fields = field

local group, severity = expert.group, expert.severity

local note = {
	invalid = ProtoExpert.new("iketcp.length.invalid",
		"A length counts itself, so it is at least 2",
		group.MALFORMED, severity.ERROR),
	broken = ProtoExpert.new("iketcp.broken",
		"An invalid length came before: the stream cannot be read",
		group.MALFORMED, severity.ERROR),
	wrong = ProtoExpert.new("iketcp.prefix.wrong",
		"The originator's stream does not begin with IKETCP",
		group.PROTOCOL, severity.ERROR),
	unexpected = ProtoExpert.new("iketcp.prefix.unexpected",
		"The prefix again, or from the responder; read as a length it is 18763",
		group.PROTOCOL, severity.ERROR),
	short = ProtoExpert.new("iketcp.short", "Too short for what it is",
		group.PROTOCOL, severity.WARN),
	ike_length = ProtoExpert.new("iketcp.ike_length", "The IKE header has another length",
		group.PROTOCOL, severity.WARN),
	keepalive = ProtoExpert.new("iketcp.keepalive.useless",
		"Keepalives are for UDP; ignored over TCP",
		group.PROTOCOL, severity.NOTE),
	empty = ProtoExpert.new("iketcp.empty", "A length and nothing else; ignored",
		group.PROTOCOL, severity.NOTE),
	cut = ProtoExpert.new("iketcp.cut", "The rest of the message is elsewhere",
		group.REASSEMBLE, severity.NOTE),
	old = ProtoExpert.new("iketcp.old",
		"Seen before, or the rest of a message that began before",
		group.SEQUENCE, severity.NOTE),
	lost = ProtoExpert.new("iketcp.lost",
		"Begins inside a message whose beginning is not there",
		group.SEQUENCE, severity.WARN),
}
proto.experts = note

proto.prefs.ports = Pref.range("TCP ports", "4500",
	"Ports where IKE and ESP over TCP is expected, like 4500 or 443,4500-4510", 65535)

local isakmp = Dissector.get("isakmp")
local esp = Dissector.get("esp")

-- What TCP says about a segment. Dissectors in Lua are not told otherwise.
--
-- These fields are there if a tree of the frame is made. Wireshark does. The first
-- pass of "tshark -2" does only with a filter (-R or -Y), and that of sharkd does
-- not: there we see what is in order and no more, see decide_blindly().
local tcp = {}
for _, name in ipairs { "stream", "srcport", "dstport", "seq", "seq_raw", "len",
			"hdr_len", "flags.syn", "completeness" } do
	tcp[name] = Field.new("tcp." .. name)
end

-- What is known of the streams, by number: see stream_of(). It grows with the
-- first pass over a capture only.
local streams = {}

-- What the first pass decided, for the others, which come in any order and when
-- the streams have gone on: by frame number, then by key_of(). Most segments are
-- in order and have nothing here.
local decisions = {}

-- Was there a frame without a tree on the first pass?
local blind = false

function proto.init()
	streams = {}
	decisions = {}
	blind = false
end

-- --- ports -------------------------------------------------------------------

local registered = ""
local port_ranges = {}

local function expects(port)
	for _, range in ipairs(port_ranges) do
		if port >= range[1] and port <= range[2] then
			return true
		end
	end
	return false
end

local function register_ports()
	local ports = DissectorTable.get("tcp.port")
	local wanted = tostring(proto.prefs.ports)

	if wanted == registered then
		return
	end
	if registered ~= "" then
		ports:remove(registered, proto)
	end
	port_ranges = {}
	for from, to in wanted:gmatch("(%d+)%-?(%d*)") do
		from = tonumber(from)
		port_ranges[#port_ranges + 1] = { from, tonumber(to) or from }
	end
	if wanted ~= "" then
		ports:add(wanted, proto)
	end
	registered = wanted
end

proto.prefs_changed = register_ports

-- --- TCP streams -------------------------------------------------------------

-- A stream is "ours" once something in it looked like that, or "foreign".
-- "originator" is the direction that sent the prefix. Of a direction, "next" is
-- where the next message has to begin, nil if nobody knows; "first" where the
-- stream begins, if that was captured; "wrong" says that the prefix was missing
-- there, "broken" that there was an invalid length. Without a tree only "seen",
-- that there was a segment before, is known of the beginning.
local function stream_of(header, pinfo)
	local key = header and header.stream

	if not key then
		local ends = { tostring(pinfo.src) .. " " .. pinfo.src_port,
			       tostring(pinfo.dst) .. " " .. pinfo.dst_port }
		table.sort(ends)
		key = table.concat(ends, " ")
	end
	streams[key] = streams[key] or { ways = {} }
	return streams[key]
end

local function way_of(stream, pinfo)
	-- The same port at both ends is rare, but allowed.
	local from = pinfo.src_port
	if from == pinfo.dst_port then
		from = tostring(pinfo.src)
	end
	stream.ways[from] = stream.ways[from] or {}
	return stream.ways[from]
end

-- Reassembled bytes are a buffer of their own, a segment is part of a frame.
local function is_segment(tvb)
	return tvb:offset() > 0
end

-- The TCP header of the segment that is being read. Around and in a tunnel there
-- are several in a frame: ours has our ports, and our bytes behind it. Nil if there
-- is no tree.
local function header_of(tvb, pinfo)
	local sources, targets = { tcp.srcport() }, { tcp.dstport() }

	for i = #sources, 1, -1 do
		if sources[i].value == pinfo.src_port and targets[i].value == pinfo.dst_port then
			local header = {}
			for name, extract in pairs(tcp) do
				local info = select(i, extract())
				header[name] = info and info.value
			end
			-- How many of its bytes were read before.
			header.skipped = header.len - tvb:reported_len()
			if not is_segment(tvb) or tvb:offset() ==
					sources[i].offset + header.hdr_len + header.skipped then
				-- The SYN has a number, too.
				header.skipped = header.skipped + (header["flags.syn"] and 1 or 0)
				return header
			end
		end
	end
end

-- a - b, both sequence numbers.
local function distance(a, b)
	return (a - b + 0x80000000) % 0x100000000 - 0x80000000
end

-- A decision is the same on each pass if this is. (The length need not be: later
-- passes get from TCP what belongs together, and no more.)
local function key_of(tvb, pinfo)
	return pinfo.src_port .. "@" .. tvb:offset()
end

-- --- guessing ----------------------------------------------------------------

local function has_prefix(tvb, offset)
	local length = math.min(tvb:len() - offset, #PREFIX)
	return tvb:raw(offset, length) == PREFIX:sub(1, length)
end

-- Is there a whole and consistent IKE header in a message of this length?
local function is_ike(tvb, offset, length)
	local at = offset + LENGTH_LEN + MARKER_LEN

	if length < LENGTH_LEN + MARKER_LEN + IKE_HEADER_LEN or
			tvb:len() < at + IKE_HEADER_LEN then
		return false
	end
	local version = math.floor(tvb(at + 17, 1):uint() / 16)
	return (version == 1 or version == 2) and
		tvb(at + 24, 4):uint() == length - LENGTH_LEN - MARKER_LEN
end

-- Do these bytes, of which nobody knows whether a message begins here, look as if
-- one did? Yes, if there is an IKE header, two ESP messages of the same SPI, or
-- messages that end where the segment does. Ciphertext does none of that, but
-- once in tens of thousands of segments.
local function looks_like_messages(tvb, ike_only)
	local offset, size = 0, tvb:reported_len()
	local spis = {}

	while offset < size do
		if offset + LENGTH_LEN > tvb:len() then
			return false
		end
		local length = tvb(offset, LENGTH_LEN):uint()
		local body = offset + LENGTH_LEN
		local keepalive = length == 3 and tvb:len() > body and tvb(body, 1):uint() == 0xff

		if length ~= LENGTH_LEN and not keepalive then
			if body + MARKER_LEN > tvb:len() or length < LENGTH_LEN + ESP_HEADER_LEN then
				return false
			end
			local spi = tvb(body, MARKER_LEN):uint()
			if spi == 0 then
				return is_ike(tvb, offset, length)
			end
			if spi < SPI_MIN or ike_only then
				return false
			end
			if spis[spi] then
				return true
			end
			spis[spi] = true
		end
		offset = offset + length
	end
	return offset == size and not ike_only
end

-- --- the tree ----------------------------------------------------------------

-- Goes before whatever writes into the Info column, so that all messages of a
-- frame are seen there: the built-in dissectors clear it, up to the fence.
local function next_info(pinfo)
	if pinfo.private.iketcp then
		pinfo.cols.info:append(", ")
	else
		pinfo.cols.info:clear()
		pinfo.private.iketcp = "yes"
	end
	pinfo.cols.info:fence()
end

local function show_info(pinfo, text)
	next_info(pinfo)
	pinfo.cols.info:append(text)
	pinfo.cols.protocol = "IKETCP"
end

-- What is malformed is shown as such by the call, and is no error of ours.
local function hand_over(dissector, range, pinfo, tree)
	local tvb = range:tvb()

	next_info(pinfo)
	pcall(dissector.call, dissector, tvb, pinfo, tree)
	pinfo.cols.protocol = "IKETCP"
end

local function show_unparsed(tvb, pinfo, tree, offset, length, why, text)
	-- Nothing of it may have been captured.
	local captured = math.min(length, tvb:len() - offset)

	show_info(pinfo, "[" .. text .. "]")
	if captured > 0 then
		local item = tree:add(proto, tvb(offset, captured))
		item:append_text(", " .. text)
		item:add(field.unparsed, tvb(offset, captured))
		item:add_proto_expert_info(why)
	end
end

local function show_prefix(tvb, pinfo, tree, offset, unexpected)
	local item = tree:add(proto, tvb(offset, #PREFIX))

	item:append_text(", prefix")
	item:add(field.type, tvb(offset, #PREFIX), "prefix"):set_generated()
	item:add(field.prefix, tvb(offset, #PREFIX))
	if unexpected then
		item:add_proto_expert_info(note.unexpected)
	end
	show_info(pinfo, unexpected and "Prefix (unexpected)" or "Prefix")
end

local function show_message(tvb, pinfo, tree, offset, length)
	-- Less than the message, if the capture has only the first bytes of each
	-- packet.
	local captured = math.min(math.max(length, LENGTH_LEN), tvb:len() - offset)
	local item = tree:add(proto, tvb(offset, captured))
	local body = offset + LENGTH_LEN
	local size = length - LENGTH_LEN
	local here = captured - LENGTH_LEN

	item:add(field.length, tvb(offset, LENGTH_LEN))
	local function is(name)
		item:append_text((", %s, length %d"):format(name, length))
		item:add(field.type, tvb(offset, captured), name):set_generated()
	end
	local function is_short(name, text)
		is(name)
		if here > 0 then
			item:add(field.data, tvb(body, here))
		end
		item:add_proto_expert_info(note.short)
		show_info(pinfo, text)
	end

	if length < LENGTH_LEN then
		is("invalid")
		item:add_proto_expert_info(note.invalid)
		show_info(pinfo, "Invalid length " .. length)
		return
	end
	if size == 0 then
		is("empty")
		item:add_proto_expert_info(note.empty)
		show_info(pinfo, "Empty message")
		return
	end
	if here < math.min(size, MARKER_LEN) then
		-- Nobody can say what it is.
		is("unknown")
		item:add_proto_expert_info(note.cut)
		show_info(pinfo, "Message (cut)")
		return
	end
	if size == 1 and tvb(body, 1):uint() == 0xff then
		is("keepalive")
		item:add(field.keepalive, tvb(body, 1))
		item:add_proto_expert_info(note.keepalive)
		show_info(pinfo, "NAT-keepalive")
		return
	end
	if size < MARKER_LEN then
		is_short("short", "Short message")
		return
	end

	if tvb(body, MARKER_LEN):uint() ~= 0 then
		if size < ESP_HEADER_LEN then
			is_short("ESP", "ESP (short)")
			return
		end
		is("ESP")
		if here < size then
			item:add_proto_expert_info(note.cut)
		end
		if here < ESP_HEADER_LEN then
			show_info(pinfo, "ESP (cut)")
		else
			hand_over(esp, tvb(body, here), pinfo, tree)
		end
		return
	end

	local ike = body + MARKER_LEN
	is("IKE")
	item:add(field.marker, tvb(body, MARKER_LEN))
	if here < size then
		-- "isakmp" would call it malformed.
		item:add_proto_expert_info(note.cut)
		show_info(pinfo, "IKE (cut)")
		return
	end
	size = size - MARKER_LEN
	if size > 0 and not is_ike(tvb, offset, length) then
		item:add_proto_expert_info(size < IKE_HEADER_LEN and note.short or note.ike_length)
	end
	-- "isakmp" refuses these, or says nothing about them.
	if size < IKE_HEADER_LEN or tvb(ike + 24, 4):uint() < IKE_HEADER_LEN then
		if size == 0 then
			item:add_proto_expert_info(note.short)
		else
			item:add(field.data, tvb(ike, size))
		end
		show_info(pinfo, "IKE (short)")
	else
		hand_over(isakmp, tvb(ike, size), pinfo, tree)
	end
end

-- --- deciding ----------------------------------------------------------------

-- What to do with these bytes, on the first pass. Returns a decision and where
-- in the stream the bytes begin. A decision is nil if the bytes are simply to be
-- read, else it has some of these fields:
--   wrong      the prefix is missing here: say so
--   reject     somebody else's bytes: do not read them
--   skip       as many bytes are not to be read; "why" and "text" say why
--   unexpected the offsets of prefixes that should not be there
local function decide(tvb, pinfo, header, stream, way)
	local size = tvb:reported_len()
	local start, first

	if is_segment(tvb) then
		start = (header.seq_raw + header.skipped) % 0x100000000
		-- If the SYN was not seen, 1 is only where the capture begins.
		first = header.seq + header.skipped == 1 and header.completeness % 4 ~= 0
		if first then
			way.first = start
		end
	else
		-- We asked for these, from the first incomplete message on.
		start = way.next or 0
		first = start == way.first
	end

	if way.broken then
		return { skip = size, why = "broken", text = "broken stream" }, start
	end
	if stream.foreign then
		return { reject = true }, start
	end

	local ahead = way.next and distance(start, way.next) or 0
	if ahead < 0 then
		return { skip = math.min(-ahead, size), why = "old", text = "earlier bytes" }, start
	end
	if first then
		if has_prefix(tvb, 0) then
			return nil, start
		end
		if stream.ours then
			return way.wrong and { wrong = true }, start
		end
		if expects(pinfo.dst_port) and not expects(pinfo.src_port) then
			-- IKE is worth reading without a prefix, too. Anything else is
			-- another protocol: port 4500 has had some.
			way.wrong = true
			stream.ours = looks_like_messages(tvb, true)
			stream.foreign = not stream.ours
			return { wrong = true, reject = stream.foreign }, start
		end
	elseif way.next and ahead == 0 then
		return nil, start
	end
	if not stream.ours and not way.next and tvb:len() >= #PREFIX and has_prefix(tvb, 0) then
		return nil, start
	end
	if looks_like_messages(tvb, false) then
		stream.ours = true
		return nil, start
	end
	if stream.ours then
		return { skip = size, why = "lost", text = "inside a message" }, start
	end
	return { reject = true }, start
end

-- The same without knowing where the bytes begin. Later passes read only what this
-- has seen, so it always returns a decision.
local function decide_blindly(tvb, stream, way)
	if way.broken then
		return { skip = tvb:reported_len(), why = "broken", text = "broken stream" }
	end
	if stream.ours or not is_segment(tvb) then
		return {}
	end
	local begins = has_prefix(tvb, 0) and (tvb:len() >= #PREFIX or not stream.seen)
	stream.seen = true
	stream.ours = begins or looks_like_messages(tvb, false)
	return { reject = not stream.ours }
end

-- --- reading -----------------------------------------------------------------

-- Reads messages from the offset on. Returns how far it came, nil if it cannot
-- say; and true if it met an invalid length. "found_prefix" is called with the
-- offset of each prefix and says whether it is unexpected.
local function read_messages(tvb, pinfo, tree, offset, found_prefix)
	local size = tvb:reported_len()

	while offset < size do
		local left = size - offset
		local prefix = offset < tvb:len() and has_prefix(tvb, offset)
		local length

		if prefix then
			-- Waiting for all of it does no harm: if it is no prefix but a
			-- length, the message has more bytes than that.
			length = #PREFIX
		elseif left < LENGTH_LEN then
			length = nil
		elseif offset + LENGTH_LEN > tvb:len() then
			return nil
		else
			length = tvb(offset, LENGTH_LEN):uint()
		end

		if not length or left < length then
			if pinfo.can_desegment > 0 then
				-- If the length is known, what is needed and no more, so that
				-- the buffer will end where the message does. If not, a whole
				-- segment: bit by bit, TCP would call us twice for one frame on
				-- the first pass, and then lose what it got.
				pinfo.desegment_offset = offset
				pinfo.desegment_len = length and not prefix and length - left or
					DESEGMENT_ONE_MORE_SEGMENT
				return offset
			end
			show_unparsed(tvb, pinfo, tree, offset, left, note.cut, "cut message")
			return length and not prefix and offset + length or nil
		end

		if not prefix then
			show_message(tvb, pinfo, tree, offset, length)
		elseif offset + length > tvb:len() then
			return nil
		else
			show_prefix(tvb, pinfo, tree, offset, found_prefix(offset))
		end
		if length < LENGTH_LEN then
			return offset + LENGTH_LEN, true
		end
		offset = offset + length
	end
	return offset
end

local function show_wrong_prefix(tvb, tree)
	local item = tree:add(proto, tvb(0, math.min(tvb:len(), #PREFIX)))

	item:append_text(", prefix is missing")
	item:add_proto_expert_info(note.wrong)
end

local function dissect(tvb, pinfo, tree)
	local key = key_of(tvb, pinfo)
	local made = decisions[pinfo.number]
	local decision = made and made[key]
	local stream, way, start

	-- TCP asks for either port. Once is enough.
	if pinfo.private["iketcp " .. key] then
		return 0
	end
	if not pinfo.visited then
		local header = header_of(tvb, pinfo)
		stream = stream_of(header, pinfo)
		way = way_of(stream, pinfo)
		if header then
			decision, start = decide(tvb, pinfo, header, stream, way)
		else
			decision = decide_blindly(tvb, stream, way)
			blind = true
		end
		if decision then
			decisions[pinfo.number] = made or {}
			decisions[pinfo.number][key] = decision
		end
	elseif blind and not decision then
		return 0
	end
	decision = decision or {}
	if decision.reject then
		if decision.wrong then
			show_wrong_prefix(tvb, tree)
		end
		pinfo.private["iketcp " .. key] = "rejected"
		return 0
	end

	local function found_prefix(offset)
		if not pinfo.visited then
			if not stream.originator and
					(not way.next and offset == 0 or start and start + offset == way.first) then
				stream.originator = way
				stream.ours = true
			else
				decision.unexpected = decision.unexpected or {}
				decision.unexpected[offset] = true
				decisions[pinfo.number] = decisions[pinfo.number] or {}
				decisions[pinfo.number][key] = decision
			end
		end
		return decision.unexpected and decision.unexpected[offset]
	end

	local size = tvb:reported_len()
	local offset = decision.skip or 0
	local broken = false
	if offset > 0 then
		show_unparsed(tvb, pinfo, tree, 0, offset, note[decision.why], decision.text)
	end
	if offset < size then
		offset, broken = read_messages(tvb, pinfo, tree, offset, found_prefix)
		if way then
			way.next = start and offset and (start + offset) % 0x100000000
			way.broken = broken
		end
	end
	if broken and offset < size then
		show_unparsed(tvb, pinfo, tree, offset, size - offset, note.broken, "broken stream")
	end
	-- Not if this is only the beginning of a message: then it will be back.
	if decision.wrong and offset ~= 0 then
		show_wrong_prefix(tvb, tree)
	end
	return tvb:len()
end

-- Is this the originator's first segment? On any port, so it has to be careful: a
-- part of the prefix will do only if it is certain that it begins the stream.
local function is_ours(tvb, pinfo, tree)
	-- What was accepted on the first pass is the conversation's since then.
	if pinfo.visited or tvb:len() == 0 or not has_prefix(tvb, 0) then
		return false
	end
	local header = header_of(tvb, pinfo)
	local whole = tvb:len() >= #PREFIX
	if not header then
		if not whole then
			return false
		end
	elseif is_segment(tvb) then
		local number = header.seq + header.skipped
		local certain = number == 1 and header.completeness % 4 ~= 0
		local absolute = header.seq == header.seq_raw
		if not whole and not (certain and pinfo.can_desegment > 0) or
				whole and not (number == 1 or absolute) then
			return false
		end
	elseif not streams[header.stream] then
		-- Somebody else asked for these bytes.
		return false
	end
	if whole then
		pinfo.conversation = proto
	end
	-- Not proto.dissector(): that goes through Wireshark, which lets only the first
	-- dissector ask for more bytes.
	return dissect(tvb, pinfo, tree) > 0
end

proto.dissector = dissect
register_ports()
DissectorTable.get("tcp.port"):add_for_decode_as(proto)
proto:register_heuristic("tcp", is_ours)
