%% What the programs here have in common: records, loads that last a while, histograms, output.
-module(peer_load).
-export([key/1, value/1, rate/2, latencies/2, report/2, report/3, rss/0]).
-define(KEYS, 1000000).
-define(WARM_UP_MS, 1000).
-define(WINDOW_MS, 2000).
%% Latencies are counted in steps of 0.1 us below 20 ms, and of 1 ms above.
-define(FINE, 200000).
-define(COARSE, 60000).

%% 16 bytes; consecutive numbers are far apart in the order of the keys.
key(I) -> <<(erlang:phash2(I)):32, I:96>>.

%% 100 bytes that were not there before. Binaries of this size lie outside of the tables.
value(I) -> <<I:64, 0:736>>.

%% How often a second Processes processes together can call Fun(I), each with random numbers of
%% records.
rate(Processes, Fun) ->
    Count = counters:new(Processes, [write_concurrency]),
    Loops = [spawn_link(fun() -> call(Fun, Count, Id, rand:mwc59_seed(Id)) end)
             || Id <- lists:seq(1, Processes)],
    process_flag(priority, high),
    timer:sleep(?WARM_UP_MS),
    Start = now_ns(),
    Before = total(Count, Processes),
    timer:sleep(?WINDOW_MS),
    Rate = (total(Count, Processes) - Before) / (now_ns() - Start) * 1.0e9,
    process_flag(priority, normal),
    [begin unlink(P), exit(P, kill) end || P <- Loops],
    Rate.

call(Fun, Count, Id, Random) ->
    Next = call_some(Fun, Random, 1000),
    counters:add(Count, Id, 1000),
    call(Fun, Count, Id, Next).

call_some(_, Random, 0) -> Random;
call_some(Fun, Random, Left) ->
    Fun(rand:mwc59_value32(Random) rem ?KEYS),
    call_some(Fun, rand:mwc59(Random), Left - 1).

total(Count, Processes) -> lists:sum([counters:get(Count, I) || I <- lists:seq(1, Processes)]).

%% Lets Writers processes call Fun(Id, Round), each one call after the other, and tells how long
%% the calls took that began after the warm-up.
latencies(Writers, Fun) ->
    Counts = counters:new(?FINE + ?COARSE, []),
    Longest = atomics:new(1, []),
    Start = now_ns() + ?WARM_UP_MS * 1000000,
    End = Start + ?WINDOW_MS * 1000000,
    Loops = [spawn_monitor(fun() -> write(Fun, Id, 0, Start, End, {Counts, Longest}) end)
             || Id <- lists:seq(0, Writers - 1)],
    [receive {'DOWN', Monitor, process, _, Reason} -> normal = Reason end || {_, Monitor} <- Loops],
    Seconds = (now_ns() - Start) / 1.0e9,
    List = [counters:get(Counts, I) || I <- lists:seq(1, ?FINE + ?COARSE)],
    Total = lists:sum(List),
    #{per_second => Total / Seconds, p50_us => quantile(List, Total * 0.5),
      p99_us => quantile(List, Total * 0.99), p999_us => quantile(List, Total * 0.999),
      max_us => atomics:get(Longest, 1) / 1000}.

write(Fun, Id, Round, Start, End, Notes) ->
    Began = now_ns(),
    Fun(Id, Round),
    Ended = now_ns(),
    if Began >= Start -> note(Ended - Began, Notes); true -> ok end,
    if Ended < End -> write(Fun, Id, Round + 1, Start, End, Notes); true -> ok end.

note(Ns, {Counts, Longest}) ->
    Step = if Ns < 20000000 -> Ns div 100; true -> ?FINE + min(Ns div 1000000, ?COARSE - 1) end,
    counters:add(Counts, Step + 1, 1),
    case atomics:get(Longest, 1) < Ns of true -> atomics:put(Longest, 1, Ns); false -> ok end.

quantile(List, Rank) -> quantile(List, Rank, 0).
quantile([_], _, Step) -> microseconds(Step);
quantile([Count | _], Rank, Step) when Count >= Rank -> microseconds(Step);
quantile([Count | Rest], Rank, Step) -> quantile(Rest, Rank - Count, Step + 1).

microseconds(Step) when Step < ?FINE -> (Step + 0.5) / 10;
microseconds(Step) -> (Step - ?FINE) * 1000.0.

now_ns() -> erlang:monotonic_time(nanosecond).

report(Item, Values) -> maps:foreach(fun(Metric, Value) -> report(Item, Metric, Value) end, Values).
report(Item, Metric, Value) -> io:format("RES ~s.~s ~.3f~n", [Item, Metric, float(Value)]).

%% What the system counts as memory of this process, in bytes.
rss() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [KiB]} = re:run(Status, "VmRSS:\\s*(\\d+)", [{capture, [1], list}]),
    list_to_integer(KiB) * 1024.
